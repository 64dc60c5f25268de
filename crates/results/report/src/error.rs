//! Why a report could not be made.

use attn_record::ReadError;
use attn_record::disk::FileError;

/// Why a report could not be made, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file of the report cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was to become a PNG is not SVG.
    #[error("not a picture: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// A PNG of this size cannot be made.
    #[error("a PNG of {width} x {height} pixels is not possible, choose another scale")]
    Size {
        /// Pixels.
        width: f32,
        /// Pixels.
        height: f32,
    },
    /// The PNG encoder failed.
    #[error("PNG encoding: {0}")]
    Png(String),
}
