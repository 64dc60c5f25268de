//! The mark of every backend, for names outside pictures.

use std::fmt::Write as _;

use super::canvas::Canvas;
use super::palette::Palette;

/// Half the size of a mark's own sheet.
const HALF: f64 = 7.0;

/// One symbol per backend, which [`id`] names, for `<use>` elsewhere on the page.
pub(crate) fn symbols(palette: &Palette) -> String {
    let mut symbols =
        String::from("<svg class=\"marks\" aria-hidden=\"true\" width=\"0\" height=\"0\">\n");
    for (name, style) in palette.iter() {
        let mut canvas = Canvas::default();
        style.marker.draw_plain(&mut canvas, (HALF, HALF), 4.5, style.color);
        let (id, side) = (id(name), 2.0 * HALF);
        // Writing to a String cannot fail.
        let _ = write!(
            symbols,
            "<symbol id=\"{id}\" viewBox=\"0 0 {side} {side}\">\n{}</symbol>\n",
            canvas.finish()
        );
    }
    symbols + "</svg>\n"
}

/// What a backend's symbol is called: letters and digits as they are, all others by their code.
pub(crate) fn id(backend: &str) -> String {
    let mut id = String::from("mark-");
    for c in backend.chars() {
        if c.is_ascii_alphanumeric() {
            id.push(c);
        } else {
            let _ = write!(id, "_{:x}", u32::from(c));
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_has_a_symbol_of_its_own() {
        let names = ["a/b", "a-b", "<\"&", "faer"];
        let svg = symbols(&Palette::backends(names.into_iter()));
        for name in names {
            assert_eq!(svg.matches(&format!("id=\"{}\"", id(name))).count(), 1, "{svg}");
        }
        let file = svg.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
        assert!(crate::png::parse(&file.replace("\"0\"", "\"1\"")).is_ok(), "{file}");
    }
}
