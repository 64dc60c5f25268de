//! The forms of a table.

use super::*;

fn table() -> Table {
    let columns = [Column::id("name"), Column::number("time"), Column::number("share").detail()];
    let cells = |name: &str, time: &str| vec![name.into(), Cell::from(time), "7%".into()];
    let mut rows = vec![cells("a|b", "1 ns"), cells("a|b", "20 ns")];
    rows[0][1].tone = Tone::Best;
    rows.push(vec!["<c>".into(), "error: why".into()]);
    Table::new("times", columns).rows(rows).notes(["All of them."])
}

#[test]
fn in_a_terminal() {
    let expected = "\
times
  name    time  share
  a|b    1 ns*     7%
        20 ns      7%
  <c>   error: why
  All of them.
";
    assert_eq!(table().terminal(Options::default()), expected);
}

#[test]
fn details_are_left_out_and_columns_go_on_below_where_there_is_no_room() {
    let mut table = table();
    table.columns[1].name = "t".repeat(68);
    let text = table.terminal(Options::default());
    assert!(text.contains(&"t".repeat(68)) && !text.contains("share"), "{text}");
    table.columns[2].detail = false;
    table.repeated = 1;
    let text = table.terminal(Options::default());
    assert!(text.contains("\n  name  share\n  a|b      7%\n"), "{text}");
    table.repeated = 0;
    table.columns[0].name = "n".repeat(80);
    let text = table.terminal(Options::default());
    assert!(text.contains("…") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_name_goes_on_in_the_next_line_and_figures_stay_whole() {
    let name = "B1-H32x8-N1x4096-D128-bf16";
    let columns = [Column::id("case"), Column::prose("answer"), Column::number("interval")];
    let row = vec![name.into(), "no difference".into(), "0.997x to 1.004x".into()];
    let text = Table::new("", columns).rows([row]).terminal(Options { width: 48, color: false });
    let expected = "  \
  case           answer                 interval
  B1-H32x8-N1x4  no difference  0.997x to 1.004x
  096-D128-bf16
";
    assert_eq!(text, expected);
}

#[test]
fn as_markdown() {
    let expected = "\
times:

| name   |       time | share |
| :----- | ---------: | ----: |
| `a\\|b` | **1 ns**\\* |    7% |
| `a\\|b` |      20 ns |    7% |
| `<c>`  | error: why |       |

All of them.
";
    assert_eq!(table().markdown(), expected);
}

#[test]
fn nothing_of_a_text_acts_in_markdown() {
    for text in
        ["@user", "[x](y)", "![x](y)", "<!-- x -->", "https://x.org", "#123", "a\\|b", "a`|`"]
    {
        let columns = [Column::id(text), Column::words("b"), Column::prose("c")];
        let rows = [vec![text.into(), text.into(), text.into()]];
        let markdown = Table::new(text, columns).rows(rows).notes([text]).markdown();
        let shown = outside_of_code(&markdown);
        for act in ["@user", "](", "<!--", "://", "#123"] {
            assert!(!shown.contains(act), "{act} in {markdown}");
        }
        for row in markdown.lines().filter(|line| line.starts_with("| ")) {
            let bars = row
                .match_indices('|')
                .map(|(at, _)| row[..at].len() - row[..at].trim_end_matches('\\').len());
            // A bar ends a cell unless a backslash stands before it; to some parsers, unless an odd number of them does.
            let ends =
                (bars.clone().filter(|&n| n == 0).count(), bars.filter(|n| n % 2 == 0).count());
            assert_eq!(ends, (4, 4), "{row}");
        }
    }
}

/// Every second part between backticks, aside from backticks and brackets behind a backslash.
fn outside_of_code(markdown: &str) -> String {
    let parts = markdown.replace("\\`", " ").replace("\\]", " ");
    parts.split('`').step_by(2).collect()
}

#[test]
fn on_a_page() {
    let html = table().html();
    for part in [
        "<h3>times</h3>",
        "<th scope=\"col\">name</th><th scope=\"col\" class=\"number\">time</th>",
        "<td><code>a|b</code></td><td class=\"number best\">1 ns</td>",
        "<td><code>&lt;c&gt;</code></td><td class=\"wrap\" colspan=\"2\">error: why</td>",
        "<p>All of them.</p>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    let sorted = Cell::value(Some(1500.0), |x| format!("{x} ns"));
    let table =
        Table::new("", [Column::number("time")]).rows([vec![sorted], vec![Cell::count(None)]]);
    let html = table.html();
    assert!(html.contains("data-value=\"1500\">1500 ns<") && html.contains(">–<"), "{html}");
}

/// A record may have a name of any length.
#[test]
fn a_name_that_is_longer_than_what_can_be_padded_is_shown() {
    let mut table = table();
    table.rows[0][0] = "n".repeat(70_000).into();
    let text = table.terminal(Options::default());
    assert!(text.contains("…") && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(table.markdown().contains(&"n".repeat(70_000)));
}
