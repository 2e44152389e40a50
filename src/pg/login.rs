//! Watches the server's messages until it is ready for queries.

use std::fmt;
use std::io;

use super::params::{AuthMethod, RequireAuth};

/// Watches the server's messages during login (manual, "Start-up"), for checks that tokio-postgres does not
/// offer:
///
/// * an authentication method that `require_auth` forbids ends the login before the password is sent, and so
///   does a password request when we have none;
/// * non-ASCII bytes in reported parameters become `?`: tokio-postgres treats parameters as UTF-8, and would
///   fail on, for example, the `search_path` that PostgreSQL 18 reports from a database in LATIN1.
#[derive(Debug)]
pub struct LoginWatch {
    accepted: RequireAuth,
    has_password: bool,
    /// Whether the server has already requested authentication.
    asked: bool,
    header: [u8; 9],
    /// How many bytes of the current message were seen, including its type byte.
    seen: usize,
    /// The message's length, including its type byte; known from the fifth byte on.
    length: usize,
    over: bool,
}

/// Why we ended a login. It is the cause inside an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefused {
    /// The server wants a password, but none is known.
    PasswordNeeded,
    /// `require_auth` does not accept the method that the server requests.
    Method(Option<AuthMethod>),
}

impl fmt::Display for LoginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self {
            LoginRefused::PasswordNeeded => {
                return f.write_str("the server wants a password, but none was given");
            }
            LoginRefused::Method(Some(AuthMethod::None)) => {
                return f.write_str("the server asked for no authentication, which require_auth forbids");
            }
            LoginRefused::Method(Some(AuthMethod::Password)) => "a password in clear text",
            LoginRefused::Method(Some(AuthMethod::Md5)) => "an MD5-hashed password",
            LoginRefused::Method(Some(AuthMethod::ScramSha256)) => "SCRAM authentication",
            LoginRefused::Method(Some(AuthMethod::Gss)) => "GSSAPI authentication",
            LoginRefused::Method(Some(AuthMethod::Sspi)) => "SSPI authentication",
            LoginRefused::Method(Some(AuthMethod::OAuth)) => "OAuth authentication",
            LoginRefused::Method(None) => "an unknown authentication method",
        };
        write!(f, "the server asked for {method}, which require_auth forbids")
    }
}

impl std::error::Error for LoginRefused {}

impl LoginWatch {
    /// A watch that starts at the server's first byte after the startup message.
    pub fn new(accepted: RequireAuth, has_password: bool) -> Self {
        LoginWatch { accepted, has_password, asked: false, header: [0; 9], seen: 0, length: 5, over: false }
    }

    /// Whether the server is ready, and there is nothing left to watch.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Processes the next bytes from the server, which may end anywhere in a message.
    ///
    /// # Errors
    /// A [`LoginRefused`].
    pub fn see(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        for byte in bytes {
            if self.over {
                break;
            }
            if let Some(place) = self.header.get_mut(self.seen) {
                *place = *byte;
            }
            self.seen += 1;
            if self.header[0] == b'S' && self.seen > 5 && !byte.is_ascii() {
                *byte = b'?';
            }
            self.at_byte().map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn at_byte(&mut self) -> Result<(), LoginRefused> {
        if self.seen == 5 {
            let [_, a, b, c, d, ..] = self.header;
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            self.length = length.max(4).saturating_add(1);
        }
        if self.seen == 9 && self.header[0] == b'R' {
            let [.., a, b, c, d] = self.header;
            self.at_authentication(u32::from_be_bytes([a, b, c, d]))?;
        }
        if self.seen >= self.length && self.seen >= 5 {
            self.over = self.header[0] == b'Z';
            self.seen = 0;
            self.length = 5;
        }
        Ok(())
    }

    /// Codes from the manual, "Message Formats", Authentication*.
    fn at_authentication(&mut self, code: u32) -> Result<(), LoginRefused> {
        let method = match code {
            0 if self.asked => return Ok(()),
            0 => Some(AuthMethod::None),
            3 => Some(AuthMethod::Password),
            5 => Some(AuthMethod::Md5),
            7 => Some(AuthMethod::Gss),
            9 => Some(AuthMethod::Sspi),
            // SASL: the only mechanisms that tokio-postgres supports are SCRAM-SHA-256(-PLUS).
            10 => Some(AuthMethod::ScramSha256),
            8 | 11 | 12 => return Ok(()),
            _ => None,
        };
        self.asked = true;
        let accepted = match method {
            Some(method) => self.accepted.accepts(method),
            None => self.accepted == RequireAuth::Any,
        };
        if !accepted {
            return Err(LoginRefused::Method(method));
        }
        let wants_password = matches!(code, 3 | 5 | 10);
        if wants_password && !self.has_password { Err(LoginRefused::PasswordNeeded) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(type_byte: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[type_byte][..], &length.to_be_bytes(), body].concat()
    }

    fn auth(code: u32) -> Vec<u8> {
        message(b'R', &code.to_be_bytes())
    }

    /// Feeds the messages in two pieces, cut at each byte in turn.
    fn watch(accepted: &RequireAuth, has_password: bool, bytes: &[u8]) -> Result<Vec<u8>, LoginRefused> {
        let run = |cut: usize| {
            let mut bytes = bytes.to_vec();
            let mut watch = LoginWatch::new(accepted.clone(), has_password);
            let (left, right) = bytes.split_at_mut(cut);
            watch
                .see(left)
                .and_then(|()| watch.see(right))
                .map_err(|error| *error.get_ref().unwrap().downcast_ref::<LoginRefused>().unwrap())?;
            Ok(bytes)
        };
        let whole = run(0);
        for cut in 1..=bytes.len() {
            assert_eq!(run(cut), whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn a_password_is_refused_before_it_is_sent() {
        let scram = RequireAuth::OneOf(vec![AuthMethod::ScramSha256]);
        assert_eq!(watch(&scram, true, &auth(3)), Err(LoginRefused::Method(Some(AuthMethod::Password))));
        assert_eq!(watch(&scram, true, &auth(0)), Err(LoginRefused::Method(Some(AuthMethod::None))));
        let login = [message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"), auth(11), auth(12), auth(0)].concat();
        assert_eq!(watch(&scram, true, &login), Ok(login.clone()));
        let not_md5 = RequireAuth::NoneOf(vec![AuthMethod::Md5]);
        assert_eq!(watch(&not_md5, true, &login), Ok(login));
        assert_eq!(watch(&not_md5, true, &auth(5)), Err(LoginRefused::Method(Some(AuthMethod::Md5))));
        assert_eq!(watch(&not_md5, true, &auth(99)), Err(LoginRefused::Method(None)));
    }

    #[test]
    fn a_missing_password_is_noticed() {
        for code in [3, 5, 10] {
            assert_eq!(watch(&RequireAuth::Any, false, &auth(code)), Err(LoginRefused::PasswordNeeded));
        }
        assert!(watch(&RequireAuth::Any, false, &auth(0)).is_ok());
    }

    #[test]
    fn only_parameters_are_made_ascii_and_only_until_ready() {
        let parameter = message(b'S', b"search_path\0\xe9\0");
        let notice = message(b'N', b"M\xe9\0\0");
        let ready = message(b'Z', b"I");
        let all = [auth(0), parameter.clone(), notice.clone(), ready.clone(), parameter.clone()].concat();
        let cleaned = message(b'S', b"search_path\0?\0");
        let expected = [auth(0), cleaned, notice, ready, parameter].concat();
        assert_eq!(watch(&RequireAuth::Any, false, &all), Ok(expected));
    }

    #[test]
    fn an_impossible_length_does_not_end_the_watch_in_panic() {
        assert!(
            watch(&RequireAuth::Any, false, &[b'S', 0, 0, 0, 0, b'R', 0xff, 0xff, 0xff, 0xff, 1]).is_ok()
        );
    }
}
