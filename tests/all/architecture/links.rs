//! Documents as GitHub shows them: links lead somewhere, and no line of an example is hidden.

use std::fs;
use std::path::{Path, PathBuf};

use super::metadata;

/// The documents that people read on GitHub.
fn documents(root: &Path) -> Vec<PathBuf> {
    let folder = |path: &str| {
        let entries = fs::read_dir(root.join(path)).expect(path).flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let single = ["README.md", "crates/gate/README.md", ".github/CONTRIBUTING.md"];
    let single = single.map(|path| root.join(path));
    let all = folder("crates/docs").into_iter().chain(single);
    let mut all: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    all.sort_unstable();
    all
}

/// Lines of a document outside its blocks of code.
fn prose(text: &str) -> String {
    let mut code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the links and pictures of a document lead.
fn targets(prose: &str) -> Vec<&str> {
    let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let attributes = ["href=\"", "src=\"", "srcset=\""];
    let attributes = attributes.iter().flat_map(|name| prose.split(name).skip(1));
    links.chain(attributes.filter_map(|rest| rest.split('"').next())).collect()
}

/// What GitHub calls the headings of a document in links.
fn headings(prose: &str) -> Vec<String> {
    let titles = prose.lines().filter_map(|line| line.strip_prefix('#'));
    let name = |title: &str| -> String {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    titles.map(name).collect()
}

/// What is wrong with one link of the document at `path`.
fn broken(path: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').map_or((target, None), |(f, h)| (f, Some(h)));
    let folder = path.parent().expect("a document is in a folder");
    let file = if file.is_empty() { path.to_owned() } else { folder.join(file) };
    if !file.exists() {
        return Some(format!("{}: {target}: no such file", path.display()));
    }
    let heading = heading.filter(|_| file.extension().is_some_and(|ending| ending == "md"))?;
    let found = headings(&prose(&fs::read_to_string(&file).expect("a document is text")));
    let known = found.iter().any(|name| name == heading);
    (!known).then(|| format!("{}: {target}: no such heading, of {found:?}", path.display()))
}

#[test]
fn links_of_documents_lead_somewhere() {
    let root = metadata().workspace_root.into_std_path_buf();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in documents(&root) {
        let text = prose(&fs::read_to_string(&path).expect("a document is text"));
        let targets = targets(&text);
        seen += targets.len();
        wrong.extend(targets.into_iter().filter_map(|target| broken(&path, target)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 50, "{seen} links");
    let readme = root.join("README.md");
    assert!(broken(&readme, "crates/none.md").is_some() && broken(&readme, "#no-such").is_some());
}

#[test]
fn examples_have_no_lines_that_only_rustdoc_hides() {
    let root = metadata().workspace_root.into_std_path_buf();
    for path in documents(&root) {
        let text = fs::read_to_string(&path).expect("a document is text");
        for (at, block) in text.split("```").enumerate().filter(|(at, _)| at % 2 == 1) {
            let rust = block.starts_with("rust");
            let hidden = block.lines().find(|line| *line == "#" || line.starts_with("# "));
            assert!(!rust || hidden.is_none(), "{}: block {at}: {hidden:?}", path.display());
        }
    }
}
