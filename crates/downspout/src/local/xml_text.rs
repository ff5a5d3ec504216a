//! Escapes text for answers in XML.

/// Escapes text for XML 1.0. Characters that XML cannot hold, such as NUL and escape, become U+FFFD.
pub(super) fn xml_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // A parser would read a bare carriage return as a line feed.
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' => escaped.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_stays_legal() {
        assert_eq!(
            xml_text("a<b>&\"c\"\r\n\u{0}\u{1b}ü"),
            "a&lt;b&gt;&amp;&quot;c&quot;&#13;\n\u{fffd}\u{fffd}ü"
        );
    }
}
