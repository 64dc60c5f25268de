//! SVG to PNG, with the embedded font and no other.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::ReportError;

static FONTS: [&[u8]; 2] =
    [include_bytes!("../assets/DejaVuSans.ttf"), include_bytes!("../assets/DejaVuSans-Bold.ttf")];

/// Draws `svg` on white, `scale` pixels per unit.
pub fn rasterise(svg: &str, scale: f32) -> Result<Vec<u8>, ReportError> {
    let tree = parse(svg)?;
    let (width, height) = (tree.size().width() * scale, tree.size().height() * scale);
    let mut pixmap = Pixmap::new(width.ceil() as u32, height.ceil() as u32)
        .ok_or(ReportError::Size { width, height })?;
    pixmap.fill(resvg::tiny_skia::Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|e| ReportError::Png(e.to_string()))
}

/// The picture with every text laid out in the embedded font.
pub(crate) fn parse(svg: &str) -> Result<Tree, ReportError> {
    let mut fonts = fontdb::Database::new();
    for font in FONTS {
        fonts.load_font_source(fontdb::Source::Binary(Arc::new(font)));
    }
    fonts.set_sans_serif_family("DejaVu Sans");
    let options = Options {
        font_family: "DejaVu Sans".into(),
        fontdb: Arc::new(fonts),
        ..Options::default()
    };
    Ok(Tree::from_str(svg, &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glyph(c: char) -> Vec<u8> {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"20\" height=\"20\">\
             <text y=\"15\" font-family=\"sans-serif\">{c}</text></svg>"
        );
        rasterise(&svg, 1.0).unwrap()
    }

    #[test]
    fn the_embedded_font_has_what_reports_need() {
        let missing = glyph('\u{e000}');
        let latin = ('!'..='~').chain('\u{a1}'..='\u{ac}').chain('\u{ae}'..='\u{ff}');
        let characters = latin.chain("µ×·−–…≥≤%²∝≈∞√".chars());
        for c in characters.filter(|c| !"<&".contains(*c)) {
            assert_ne!(glyph(c), missing, "{c}");
            assert_ne!(glyph(c), glyph(' '), "{c}");
        }
    }

    #[test]
    fn pixels_are_units_times_scale() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"30\" height=\"20\"/>";
        let png = rasterise(svg, 2.0).unwrap();
        let image = Pixmap::decode_png(&png).unwrap();
        assert_eq!((image.width(), image.height()), (60, 40));
        assert!(rasterise(svg, 0.0).is_err());
        assert!(rasterise("<svg", 1.0).is_err());
    }
}
