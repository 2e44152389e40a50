//! Checks that responses are complete: the SDK accepts truncated XML.

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// Rejects truncated XML responses. A truncated list would look like a shorter list, and the missing
/// objects would count as gone.
#[derive(Debug)]
pub(super) struct WholeAnswers;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for WholeAnswers {
    fn name(&self) -> &'static str {
        "WholeAnswers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        // Bodies of objects are streams, and have no bytes here.
        match response.body().bytes() {
            Some(body) if response.status().is_success() && breaks_off(body) => {
                Err("the response is truncated".into())
            }
            _ => Ok(()),
        }
    }
}

/// Whether XML lacks the end tag of its root element.
fn breaks_off(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let mut rest = text.trim_start_matches('\u{feff}');
    // Skip declarations and comments.
    while let Some(after) = rest.strip_prefix("<?").or_else(|| rest.strip_prefix("<!")) {
        let Some((_, after)) = after.split_once('>') else { return true };
        rest = after.trim_start();
    }
    // With a declaration it is XML, and without anything after it, it is incomplete.
    let Some(root) = rest.strip_prefix('<') else { return rest.is_empty() && !text.is_empty() };
    let name = root.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or_default();
    let is_empty_element =
        root.find('>').is_some_and(|end| root[..end].ends_with('/') && end + 1 == root.len());
    let end = text.strip_suffix('>').map(str::trim_end);
    !is_empty_element && !end.is_some_and(|text| text.ends_with(&format!("</{name}")))
}

#[cfg(test)]
mod tests {
    use crate::storage::s3::whole::breaks_off;

    #[test]
    fn answers_end_with_their_root() {
        for whole in [
            "",
            "text",
            "<a/>",
            "<a b='c'/>",
            "<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><B>1</B></A>\n",
            "<A></A >",
            "\u{feff}<!-- x --><A></A>",
        ] {
            assert!(!breaks_off(whole.as_bytes()), "{whole}");
        }
        let list = "<?xml version=\"1.0\"?><L><C><K>a</K></C><C><K>b</K></C></L>";
        for cut in 1..list.len() {
            assert!(breaks_off(&list.as_bytes()[..cut]), "{}", &list[..cut]);
        }
    }
}
