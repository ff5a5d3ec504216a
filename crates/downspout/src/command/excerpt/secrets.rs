//! Hides secrets in a line of a file that is JSON: the values of keys that begin with `*`, the values of parameters and fields
//! with such a name, and passwords in addresses. Everything else is shown.

/// Keys whose values are not secret, even in a secret parameter or in a secret field of the API form.
const OPEN_KEYS: [&str; 8] =
    ["id", "key", "type", "optional", "isArray", "description", "helpText", "helpLink"];

/// A part of a line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'l> {
    /// A text with the quotation mark that ends it, if it ends in this line.
    Text { content: &'l str, end: &'l str, is_key: bool },
    /// Any other character.
    Letter(char),
}

/// An object or a list.
#[derive(Clone, Debug, Default)]
struct Scope<'l> {
    /// Whether every value in it is a secret.
    is_secret: bool,
    /// Whether it is a parameter or a field whose name begins with `*`.
    is_named: bool,
    /// The key before the present value.
    key: Option<&'l str>,
}

impl Scope<'_> {
    /// Returns whether the present value is a secret.
    fn hides(&self) -> bool {
        let of_key = self.key.is_some_and(|key| key.starts_with('*'));
        let of_name = self.is_named && self.key.is_none_or(|key| !OPEN_KEYS.contains(&key));
        self.is_secret || of_key || of_name
    }
}

/// Returns a line without its secrets. `is_secret` is true if the finding in this line is about a secret parameter or field: then an
/// object that begins in an earlier line is secret, too.
pub(super) fn hidden(line: &str, is_secret: bool) -> String {
    let tokens = tokens(line);
    let mut named = named_scopes(&tokens);
    named[0] |= is_secret;
    let mut scopes = vec![Scope { is_named: named[0], ..Scope::default() }];
    let (mut shown, mut begun) = (String::with_capacity(line.len()), 0);
    for token in tokens {
        let is_outer = scopes.len() == 1;
        let Some(scope) = scopes.last_mut() else { return shown };
        match token {
            Token::Text { content, end, is_key: true } => {
                scope.key = Some(content);
                shown.push_str(&format!("\"{content}{end}"));
            }
            Token::Text { content, end, is_key: false } => {
                let is_hidden = scope.hides() && !is_plain_expression(content);
                let content = if is_hidden { stars(content) } else { without_passwords(content) };
                shown.push_str(&format!("\"{content}{end}"));
            }
            Token::Letter(letter @ ('{' | '[')) => {
                begun += 1;
                // A parameter that begins in this line says itself which of its values are secret.
                let is_parameter = is_outer && scope.key.is_none() && named[begun];
                let is_secret = scope.hides() && !is_parameter;
                scopes.push(Scope { is_secret, is_named: named[begun], key: None });
                shown.push(letter);
            }
            Token::Letter(letter @ ('}' | ']')) => {
                scopes.pop();
                // An object of another line may end here. Nothing is known about the object around it.
                if scopes.is_empty() {
                    scopes.push(Scope::default());
                }
                shown.push(letter);
            }
            Token::Letter(',') => {
                scope.key = None;
                shown.push(',');
            }
            Token::Letter(letter) => {
                let is_hidden = scope.hides() && !letter.is_whitespace() && letter != ':';
                shown.push(if is_hidden { '*' } else { letter });
            }
        }
    }
    shown
}

/// Returns for each scope, in the order in which they begin, whether its `id` or `key` begins with `*`. The first scope is the one
/// in which the line begins.
fn named_scopes(tokens: &[Token<'_>]) -> Vec<bool> {
    let (mut named, mut open, mut key) = (vec![false], vec![0], None);
    for token in tokens {
        match *token {
            Token::Text { content, is_key: true, .. } => key = Some(content),
            Token::Text { content, .. } if matches!(key, Some("id" | "key")) && content.starts_with('*') => {
                if let Some(place) = open.last() {
                    named[*place] = true;
                }
            }
            Token::Letter('{' | '[') => {
                open.push(named.len());
                named.push(false);
                key = None;
            }
            Token::Letter('}' | ']') => {
                open.pop();
                key = None;
            }
            Token::Letter(',') => key = None,
            _ => {}
        }
    }
    named
}

fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        if letter != '"' {
            tokens.push(Token::Letter(letter));
            rest = &rest[letter.len_utf8()..];
            continue;
        }
        let (content, after) = rest[1..].split_at(end_of(&rest[1..]));
        let (end, after) = after.split_at(after.len().min(1));
        let is_key = !end.is_empty() && after.trim_start().starts_with(':');
        tokens.push(Token::Text { content, end, is_key });
        rest = after;
    }
    tokens
}

fn stars(text: &str) -> String {
    "*".repeat(text.chars().count())
}

/// Returns a text without the passwords of its addresses, such as `postgresql://user:password@host`.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        rest = after;
        let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
        // A password may contain an `@`, so the last one ends it.
        let password = rest[..end].find(':').zip(rest[..end].rfind('@')).filter(|(colon, at)| colon < at);
        if let Some((colon, at)) = password {
            shown.push_str(&rest[..=colon]);
            shown.push_str(&stars(&rest[colon + 1..at]));
            rest = &rest[at..];
        }
    }
    shown + rest
}

/// Returns whether the text is an expression such as `#{*myPassword}`, which cannot be a secret itself.
pub(super) fn is_plain_expression(text: &str) -> bool {
    let name = text.strip_prefix("#{").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "*_.@".contains(c)))
}

/// Returns where the content of a string ends: at its quotation mark, or at the end of the line.
pub(super) fn end_of(string: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in string.char_indices() {
        match c {
            '"' if !is_escaped => return at,
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    string.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_hidden() {
        for (line, shown) in [
            (
                r##"{"id": "Db", "*password": "hu\"sh", "username": "me", "*other": "#{*myPw}"}"##,
                r##"{"id": "Db", "*password": "******", "username": "me", "*other": "#{*myPw}"}"##,
            ),
            (r#""*pw": {"ref": "hush"}, "a": {"ref": "b"}"#, r#""*pw": {"ref": "****"}, "a": {"ref": "b"}"#),
            (r#""*pw": ["hush", 7], "a": ["b", 7]"#, r#""*pw": ["****", *], "a": ["b", 7]"#),
            (
                r#"{"default": "hush", "id": "*myPw", "type": "String"}, {"id": "myB", "default": "b"}"#,
                r#"{"default": "****", "id": "*myPw", "type": "String"}, {"id": "myB", "default": "b"}"#,
            ),
            (r#"{"key": "*pw", "stringValue": "hush"}"#, r#"{"key": "*pw", "stringValue": "****"}"#),
            (r#""values": {"*myPw": "hush", "myDay": "1"}"#, r#""values": {"*myPw": "****", "myDay": "1"}"#),
            (
                r#""url": "jdbc:postgresql://u:hu@sh@h/d?a=b:c@d""#,
                r#""url": "jdbc:postgresql://u:*****@h/d?a=b:c@d""#,
            ),
            (r#""*pw": "hush"#, r#""*pw": "****"#),
        ] {
            assert_eq!(hidden(line, false), shown);
        }
        assert_eq!(
            hidden(r#""default": "hush", "type": "String"}, {"id": "myB""#, true),
            r#""default": "****", "type": "String"}, {"id": "myB""#
        );
        assert_eq!(hidden(r#"  "hush""#, true), r#"  "****""#);
        assert_eq!(hidden(r#"{"id": "*myRedshiftPassword"}"#, true), r#"{"id": "*myRedshiftPassword"}"#);
    }
}
