//! The page for people: what this is, where the metrics are, and how the fleet does.

use std::fmt::Write;

/// What the page says; all of it is escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landing {
    /// The exporter's version.
    pub version: String,
    /// The accounts, in their order.
    pub accounts: Vec<LandingAccount>,
    /// Further links: paths below the prefix, and what they are called. The metrics and the health pages are there
    /// anyway.
    pub links: Vec<(String, String)>,
}

/// One account on the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LandingAccount {
    /// Its name in the configuration.
    pub name: String,
    /// One line on how it does, for example when it was read last, or why it could not be.
    pub note: String,
    /// How many sources (or whatever the label says) are in each state.
    pub counts: Vec<(String, u64)>,
}

const TITLE: &str = "Huawei Cloud SMS exporter";

const STYLE: &str = "body{font-family:sans-serif;max-width:50em;margin:2em auto;padding:0 1em;line-height:1.5}\
    table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .8em;text-align:left}\
    td.count{text-align:right}";

/// The page as HTML, with the paths of the metrics and of what else there is. Links are relative: the page may be seen
/// through a proxy under any path.
pub(super) fn html(landing: &Landing, telemetry_path: &str) -> String {
    let Landing { version, accounts, links } = landing;
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{TITLE}</title>\
         <style>{STYLE}</style></head>\n<body>\n<h1>{TITLE}</h1>\n<p>Version {}</p>\n<ul>\n",
        escape(version)
    );
    let own = [(telemetry_path, "Metrics"), ("/-/healthy", "Health"), ("/-/ready", "Readiness")];
    let further = links.iter().map(|(address, text)| (address.as_str(), text.as_str()));
    for (address, text) in own.into_iter().chain(further) {
        push(&mut page, format_args!("<li><a href=\".{}\">{}</a></li>\n", escape(address), escape(text)));
    }
    page.push_str("</ul>\n");
    for account in accounts {
        push_account(&mut page, account);
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn push_account(page: &mut String, account: &LandingAccount) {
    let LandingAccount { name, note, counts } = account;
    push(page, format_args!("<h2>{}</h2>\n<p>{}</p>\n", escape(name), escape(note)));
    if counts.is_empty() {
        return;
    }
    page.push_str("<table>\n<tr><th>State</th><th>Sources</th></tr>\n");
    for (state, count) in counts {
        let state = escape(state);
        push(page, format_args!("<tr><td>{state}</td><td class=\"count\">{count}</td></tr>\n"));
    }
    page.push_str("</table>\n");
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("writing to a string cannot fail");
}

/// Names come from strangers' servers; nothing of theirs may become markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_links_and_the_counts_of_each_account() {
        let landing = Landing {
            version: "1.2.3".to_owned(),
            accounts: vec![LandingAccount {
                name: "prod".to_owned(),
                note: "Read 12 s ago".to_owned(),
                counts: vec![("replicate".to_owned(), 7)],
            }],
            links: vec![("/x".to_owned(), "X".to_owned())],
        };
        let page = html(&landing, "/metrics");
        for part in [
            "<p>Version 1.2.3</p>",
            "<a href=\"./metrics\">Metrics</a>",
            "<a href=\"./-/healthy\">Health</a>",
            "<a href=\"./x\">X</a>",
            "<h2>prod</h2>\n<p>Read 12 s ago</p>",
            "<tr><td>replicate</td><td class=\"count\">7</td></tr>",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn nothing_that_is_shown_can_become_markup() {
        let evil = "\"'><script>alert(1)</script>&amp;".to_owned();
        let account =
            LandingAccount { name: evil.clone(), note: evil.clone(), counts: vec![(evil.clone(), 1)] };
        let landing = Landing {
            version: evil.clone(),
            accounts: vec![account],
            links: vec![(evil.clone(), evil.clone())],
        };
        let page = html(&landing, &evil);
        assert!(!page.contains("<script>") && !page.contains("\"'"), "{page}");
        assert_eq!(page.matches("&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;").count(), 7);
    }
}
