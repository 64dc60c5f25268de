//! The page of maps: all heads small, one large.

use std::fmt::Write as _;

use attn_record::Map;

use super::html::{paragraph, text};
use super::plain;
use crate::charts::{attention_map, thumbnail};

/// The maps of one layer.
pub struct LayerMaps {
    /// What it is called: `layer 0`.
    pub name: String,
    /// One per head.
    pub heads: Vec<Map>,
}

/// The page; `large` is drawn with its tokens, `origin` says what made it.
pub fn render(source: &str, layers: &[LayerMaps], large: &Map, origin: &str) -> String {
    let mut body = paragraph(&text(source));
    if let Some(chart) = attention_map(large, origin) {
        let _ = writeln!(
            body,
            "<figure data-name=\"attention-map\"><div class=\"card\"><div class=\"wide\">{}</div>\
             <div class=\"narrow\">{}</div></div>\n<div class=\"tools\"></div>\
             <figcaption>{}</figcaption></figure>",
            chart.wide.svg,
            chart.small.svg,
            text(&chart.caption)
        );
    }
    body += &paragraph(
        "Below, every head: a row is a query, a column a key, and the strongest colour is a weight of 1. \
         Grey cells are not admitted. A click shows a head large.",
    );
    for layer in layers {
        let figure = |map: &Map| {
            let name = format!("{}, head {}", layer.name, map.head);
            format!(
                "<figure>{}<figcaption>head {}</figcaption></figure>\n",
                thumbnail(map, 1.0, &name),
                map.head
            )
        };
        let figures: String = layer.heads.iter().map(figure).collect();
        let _ = write!(
            body,
            "<section>\n<h2>{}</h2>\n<div class=\"maps\">\n{figures}</div>\n</section>\n",
            text(&layer.name)
        );
    }
    plain("Attention maps", source, &body)
}

#[cfg(test)]
mod tests {
    use attn_analysis::fixture;

    use super::*;

    #[test]
    fn every_head_is_there_and_words_are_only_text() {
        let heads = |n| (0..n).map(|head| Map { head, ..fixture::map(4) }).collect();
        let layers = [
            LayerMaps { name: "layer <0>".into(), heads: heads(3) },
            LayerMaps { name: "layer 1".into(), heads: heads(2) },
        ];
        let page = render("a <b>text</b>", &layers, &fixture::map(4), "attn 0.1.0");
        assert_eq!(page.matches("<figcaption>head ").count(), 5);
        assert!(page.contains("layer &lt;0&gt;, head 2") && !page.contains("<b>"));
        assert!(page.contains("Weight"));
    }
}
