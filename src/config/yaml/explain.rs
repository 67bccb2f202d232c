//! Where what the parser stumbled over may have begun.
//!
//! A quote or a bracket that is not closed is noticed lines later, and a tab in front of a line is told as the end of
//! the value before it. So the text is gone through once more, by looks alone.

use super::{At, Fault, FaultKind};

/// A fault of the syntax at the place where it may have begun, with that said.
pub(super) fn syntax(fault: Fault, yaml: &str) -> Fault {
    let FaultKind::Syntax(told) = &fault.kind else { return fault };
    if let Some(at) = tab(yaml, fault.at.line) {
        return Fault::syntax(at, "a tab stands before the text of this line; expected spaces");
    }
    match opened(yaml, fault.at.line) {
        Some((at, sign)) if at.line < fault.at.line => {
            let noticed = fault.at.line;
            let told =
                format!("the {sign} that opens here is not closed in its line ({told}, in line {noticed})");
            Fault::syntax(at, told)
        }
        _ => fault,
    }
}

/// A tab in the space before the text of a line, or of the next one.
fn tab(yaml: &str, line: u64) -> Option<At> {
    let mut candidates = numbered(yaml).filter(|(number, _)| (line..=line + 1).contains(number));
    candidates.find_map(|(number, text)| {
        let indent = text.split(|letter: char| !matches!(letter, ' ' | '\t')).next()?;
        let column = indent.find('\t')?;
        let has_text = indent.len() < text.trim_end().len();
        has_text.then_some(At { line: number, column: column as u64 + 1 })
    })
}

/// The last quote that does not end in its line, before or in a line; else the bracket that is open there.
fn opened(yaml: &str, line: u64) -> Option<(At, &'static str)> {
    let (mut quote, mut brackets) = (None, Vec::new());
    for (number, text) in numbered(yaml).take_while(|(number, _)| *number <= line) {
        if number == line && !brackets.is_empty() {
            break;
        }
        quote = signs(number, text, &mut brackets).or(quote);
    }
    quote.or_else(|| brackets.pop())
}

/// Goes through a line: opens and closes brackets, and gives the place of a quote that does not end in it.
fn signs(line: u64, text: &str, brackets: &mut Vec<(At, &'static str)>) -> Option<(At, &'static str)> {
    let mut begins = true;
    let mut letters = text.chars().zip(1..);
    while let Some((letter, column)) = letters.next() {
        let at = At { line, column };
        match letter {
            '#' if begins => return None,
            '"' | '\'' if begins => {
                let mut escaped = false;
                let ends = letters.any(|(inner, _)| {
                    let ends = inner == letter && !escaped;
                    escaped = letter == '"' && inner == '\\' && !escaped;
                    ends
                });
                if !ends {
                    return Some((at, "quote"));
                }
            }
            '[' if begins => brackets.push((at, "bracket [")),
            '{' if begins => brackets.push((at, "brace {")),
            ']' | '}' => drop(brackets.pop()),
            _ => {}
        }
        // A value can begin after these; `- x` and `a: x` have a space between.
        begins = matches!(letter, ' ' | '\t' | '[' | '{' | ',');
    }
    None
}

fn numbered(yaml: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(yaml.lines())
}

#[cfg(test)]
mod tests {
    use super::super::compose;
    use super::*;

    fn told(yaml: &str) -> (u64, u64, String) {
        match compose::document(yaml) {
            Err(Fault { at, kind: FaultKind::Syntax(told) }) => (at.line, at.column, told),
            _ => panic!("this is not YAML: {yaml}"),
        }
    }

    #[test]
    fn a_tab_is_told_in_its_own_line() {
        for yaml in ["a:\n  - b: c\n    d: e\n\tf: g\n", "a:\n  - b: c\n    d:\n\t  e: f\n"] {
            let (line, _, told) = told(yaml);
            assert!(yaml.lines().nth(usize::try_from(line).unwrap() - 1).unwrap().contains('\t'), "{yaml}");
            assert!(told.contains("a tab"), "{told}");
        }
        let (line, _, told) = told("a: {b: c\nx:\t[\n");
        assert!(line < 3 && !told.contains("a tab"), "a tab elsewhere is no fault: {told}");
    }

    #[test]
    fn a_quote_is_told_where_it_opens() {
        for yaml in [
            "a:\n  b: \"c\n  d: e\n  f: g\n",
            "a:\n  b: \"c\n  d: e\n  f: \"g\"\n",
            "a:\n  b: 'c\n  d: 'e'\n  f: g\n",
            "a: \"it's \\\" x\"\nb: \"x\nc: d\ne: f\n",
            "a:\n  - [\"a\", \"b]\n  - c\n",
        ] {
            let (line, column, told) = told(yaml);
            let text = yaml.lines().nth(usize::try_from(line).unwrap() - 1).unwrap();
            let opens = text.chars().nth(usize::try_from(column).unwrap() - 1).unwrap();
            assert!(matches!(opens, '"' | '\''), "{yaml}: {line}:{column} {told}");
            assert!(told.contains("quote"), "{told}");
        }
    }

    #[test]
    fn a_bracket_is_told_where_it_opens() {
        for (yaml, line, column) in
            [("a: b\nc: [d, e\nf: g\n", 2, 4), ("a: {b: c\nd: e\n", 1, 4), ("a: [{b: [c]}\nd: e\n", 1, 4)]
        {
            let told = told(yaml);
            assert_eq!((told.0, told.1), (line, column), "{yaml}: {}", told.2);
        }
    }
}
