//! A line of a configuration as its keyword and arguments, by OpenSSH's rules of `=`, quotes, backslashes and comments.
//! Pure. Not here: what the words mean.

/// What stands between words.
const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// A keyword in lower case, and its arguments. None for an empty line and a comment.
pub(super) fn split(line: &str) -> Result<Option<(String, Vec<String>)>, String> {
    let line = line.trim_matches(BLANK).trim_end_matches('\x0c').trim_end_matches(BLANK);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (keyword, rest) = keyword(line).ok_or("a quote is not closed")?;
    if rest.is_empty() {
        return Err(format!("`{keyword}` says nothing"));
    }
    Ok(Some((keyword.to_lowercase(), arguments(rest)?)))
}

/// The first word, which may be quoted, and what follows it and at most one `=`.
fn keyword(line: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = line.strip_prefix('"') {
        let (word, rest) = quoted.split_once('"')?;
        return Some((word, rest.trim_start_matches(BLANK)));
    }
    let end = line.find(|letter| BLANK.contains(&letter) || matches!(letter, '=' | '"'));
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(BLANK);
    Some((word, rest.strip_prefix('=').unwrap_or(rest).trim_start_matches(BLANK)))
}

/// Words apart by spaces. Quotes of either kind keep spaces in a word, `#` at the beginning of one ends the line, and a
/// backslash takes the meaning from quotes, backslashes and, outside of quotes, spaces; any other is itself.
fn arguments(text: &str) -> Result<Vec<String>, String> {
    let mut letters = text.chars().peekable();
    let mut words = Vec::new();
    loop {
        while letters.next_if(|letter| matches!(letter, ' ' | '\t')).is_some() {}
        match letters.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => words.push(word(&mut letters)?),
        }
    }
}

fn word(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut word = String::new();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        let loses_meaning =
            |next: &char| matches!(next, '\'' | '"' | '\\') || quote.is_none() && *next == ' ';
        match letter {
            '\\' => word.push(letters.next_if(loses_meaning).unwrap_or('\\')),
            ' ' | '\t' if quote.is_none() => return Ok(word),
            '\'' | '"' if quote.is_none() => quote = Some(letter),
            _ if quote == Some(letter) => quote = None,
            _ => word.push(letter),
        }
    }
    if quote.is_some() { Err("a quote is not closed".to_owned()) } else { Ok(word) }
}
