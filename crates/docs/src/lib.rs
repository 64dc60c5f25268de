//! The longer pages, as modules, so that `cargo test` compiles and runs their examples and `cargo doc`
//! shows them beside the code that they speak of.

#[doc = include_str!("../GUIDE.md")]
pub mod guide {}

#[doc = include_str!("../FAQ.md")]
pub mod faq {}

#[doc = include_str!("../METHODOLOGY.md")]
pub mod methodology {}

#[doc = include_str!("../BIAS.md")]
pub mod bias {}

#[doc = include_str!("../VARIANTS.md")]
pub mod variants {}

#[doc = include_str!("../FORMATS.md")]
pub mod formats {}

#[doc = include_str!("../ATTACKS.md")]
pub mod attacks {}

#[doc = include_str!("../ENGINES.md")]
pub mod engines {}

#[doc = include_str!("../GLOSSARY.md")]
pub mod glossary {}

pub mod tutorial;
