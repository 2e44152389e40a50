//! Shows values without the secrets that they may contain.

/// Replaces a secret.
pub(super) const MASK: &str = "********";

/// A connection string without its passwords: in a URL, the part between user and host; in both forms,
/// the values of parameters with secret-sounding names.
pub(super) fn connection(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return pairs(text) };
    // An unencoded password may contain anything: it ends at the last @.
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, rest),
    };
    let mut shown = format!("{scheme}://");
    if let Some(credentials) = credentials {
        match credentials.split_once(':') {
            Some((user, _)) => shown.push_str(&format!("{user}:{MASK}@")),
            None => shown.push_str(&format!("{credentials}@")),
        }
    }
    match rest.split_once('?') {
        None => shown + rest,
        Some((before, query)) => {
            let masked: Vec<_> = query
                .split('&')
                .map(|pair| match pair.split_once('=') {
                    Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
                    _ => pair.to_owned(),
                })
                .collect();
            format!("{shown}{before}?{}", masked.join("&"))
        }
    }
}

/// `key=value` pairs. If quotes make them hard to separate, nothing after the secret is shown.
fn pairs(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let start = ["password", "secret"].iter().filter_map(|word| lower.find(word)).min();
    match start.and_then(|start| text.get(..start)) {
        Some(before) => format!("{before}{MASK}"),
        None => text.to_owned(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "token"].iter().any(|word| name.contains(word))
}

/// A URL whose path is secret, like those of ping and webhook services.
pub(super) fn endpoint(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return MASK.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/{MASK}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for text in [
            "postgresql://app:hunter2@db/shop",
            "postgresql://app:hunter2:hunter2@hunter2@db:5432/shop?sslmode=require",
            "postgresql://app:hun/hunter2?@db/shop",
            "postgresql://db/shop?user=app&password=hunter2",
            "host=db password=hunter2 dbname=shop",
            "host=db password='hunter2 \\' hunter2'",
        ] {
            assert!(!connection(text).contains("hunter2"), "{}", connection(text));
        }
        assert_eq!(
            connection("postgresql://app:x@db/shop?sslmode=require"),
            "postgresql://app:********@db/shop?sslmode=require"
        );
        assert_eq!(connection("host=db dbname=shop"), "host=db dbname=shop");
        assert_eq!(endpoint("https://u:p@hc.example/ping/0123"), "https://hc.example/********");
    }
}
