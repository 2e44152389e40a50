//! The meta-commands that pg_dump and pg_dumpall write.

use crate::pg::conninfo::connstring;
use crate::pg::text;

/// A supported meta-command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MetaCommand {
    /// From here on, only `\unrestrict` with the same key is allowed.
    Restrict(String),
    Unrestrict(String),
    /// Continue in another database of the same server.
    Connect(String),
    /// The text continues in this encoding. pg_dump writes it before it connects to a database whose
    /// name needs quotes.
    Encoding(String),
    /// Sets psql to something that always applies here.
    Nothing,
}

impl MetaCommand {
    /// Parses a line that begins with a backslash.
    ///
    /// # Errors
    /// Why it is not executed.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let line = text::decode(line);
        let line = line.trim_end().trim_start_matches('\\');
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let arguments = arguments(rest)?;
        match (name, arguments.as_slice()) {
            ("restrict", [key]) => Ok(MetaCommand::Restrict(key.clone())),
            ("unrestrict", [key]) => Ok(MetaCommand::Unrestrict(key.clone())),
            ("connect" | "c", [database]) => connect(database),
            ("connect" | "c", [option, database]) if option == "-reuse-previous=on" => connect(database),
            ("encoding", [encoding]) => Ok(MetaCommand::Encoding(encoding.clone())),
            // We stop at errors unless our own option says otherwise.
            ("set", [variable, ..]) if variable == "ON_ERROR_STOP" => Ok(MetaCommand::Nothing),
            ("restrict" | "unrestrict" | "connect" | "c" | "encoding" | "set", _) => {
                Err(format!("\\{name} has arguments that pg_dump does not write"))
            }
            _ => Err(format!("\\{} is not executed: pg_dump does not write it", name.escape_debug())),
        }
    }
}

/// A database name, or a connection string that contains nothing else: a dump must not decide where its
/// rows go.
fn connect(database: &str) -> Result<MetaCommand, String> {
    if !connstring::is_connection_string(database) {
        return Ok(MetaCommand::Connect(database.to_owned()));
    }
    let settings = connstring::parse(database).map_err(|error| error.report())?;
    let name = settings.only("dbname").ok_or("\\connect may only name a database")?;
    Ok(MetaCommand::Connect(name.to_owned()))
}

/// Words, parts of which may be in double quotes; doubled quotes stand for one. (psql also supports
/// variables and commands, which don't belong in a dump.)
fn arguments(text: &str) -> Result<Vec<String>, String> {
    let mut arguments = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.peek().is_none() {
            return Ok(arguments);
        }
        let mut argument = String::new();
        while let Some(c) = rest.next_if(|c| !c.is_whitespace()) {
            match c {
                '"' => loop {
                    match rest.next() {
                        Some('"') if rest.next_if_eq(&'"').is_some() => argument.push('"'),
                        Some('"') => break,
                        Some(c) => argument.push(c),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                },
                '\'' | '`' | ':' | '\\' => return Err(format!("{c} is not supported in arguments")),
                c => argument.push(c),
            }
        }
        arguments.push(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pg_dump_writes_is_understood() {
        let connect = |name: &str| Ok(MetaCommand::Connect(name.to_owned()));
        for (line, expected) in [
            (&b"\\restrict abc\n"[..], Ok(MetaCommand::Restrict("abc".into()))),
            (b"\\unrestrict abc", Ok(MetaCommand::Unrestrict("abc".into()))),
            (b"\\connect Shop\r\n", connect("Shop")),
            (b"\\connect -reuse-previous=on \"dbname='it''s'\"\n", Err(String::new())),
            (b"\\connect -reuse-previous=on \"dbname='a \\\\ \"\" \\' b'\"\n", connect("a \\ \" ' b")),
            (b"\\connect -reuse-previous=on \"dbname='caf\xe9 x'\"\n", connect(&text::decode(b"caf\xe9 x"))),
            (b"\\encoding SQL_ASCII\n", Ok(MetaCommand::Encoding("SQL_ASCII".into()))),
            (b"\\set ON_ERROR_STOP on\n", Ok(MetaCommand::Nothing)),
        ] {
            let found = MetaCommand::read(line);
            match expected {
                Ok(expected) => assert_eq!(found, Ok(expected)),
                Err(_) => assert!(found.is_err(), "{found:?}"),
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "\\! rm -rf /",
            "\\copy t from x",
            "\\i x.sql",
            "\\restrict",
            "\\connect a b c",
            "\\connect \"host=evil dbname=x\"",
            "\\connect postgresql://evil/x",
            "\\unrestrict `date`",
            "\\set x y",
            "\\connect \"a",
            "\\",
        ] {
            assert!(MetaCommand::read(line.as_bytes()).is_err(), "{line}");
        }
    }
}
