//! JSON laid out for people (`_pretty=true`), with every value as it is.

/// Lays out minified JSON: a member or item a line, two blanks an indent.
pub fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut before = b' ';
    for byte in json.iter().copied() {
        if in_text {
            out.push(byte);
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            before = byte;
            continue;
        }
        match byte {
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !matches!(before, b'{' | b'[') {
                    line(&mut out, depth);
                }
            }
            _ if matches!(before, b'{' | b'[') => line(&mut out, depth),
            _ => {}
        }
        out.push(byte);
        match byte {
            b'{' | b'[' => depth += 1,
            b',' => line(&mut out, depth),
            b':' => out.push(b' '),
            b'"' => in_text = true,
            _ => {}
        }
        before = byte;
    }
    out.push(b'\n');
    out
}

fn line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', depth * 2));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_stays_as_it_is() {
        let text = r#"{"a":[1.50,{}],"b":"x\"{,:}\\","c":[]}"#;
        let laid_out = String::from_utf8(pretty(text.as_bytes())).unwrap();
        assert_eq!(
            laid_out,
            "{\n  \"a\": [\n    1.50,\n    {}\n  ],\n  \"b\": \"x\\\"{,:}\\\\\",\n  \"c\": []\n}\n"
        );
    }
}
