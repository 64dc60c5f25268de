//! The tensors of a file, read and written by name.

use std::collections::HashMap;

use attn_core::{DType, Data, Mask, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype as FileType, SafeTensors};

use super::FormatError;

/// A container with known names only.
pub(super) struct File<'a>(SafeTensors<'a>);

impl<'a> File<'a> {
    pub(super) fn new(file: SafeTensors<'a>, known: &[&str]) -> Result<Self, FormatError> {
        let mut names = file.names();
        names.sort_unstable();
        match names.iter().find(|name| !known.contains(name)) {
            None => Ok(File(file)),
            Some(found) => {
                let expected = known.join(", ");
                Err(FormatError::Unknown { found: (*found).to_string(), expected })
            }
        }
    }

    fn view(&self, name: &'static str) -> Option<TensorView<'a>> {
        self.0.tensor(name).ok()
    }

    /// A rank-4 tensor of floats.
    pub(super) fn required(&self, name: &'static str) -> Result<Tensor, FormatError> {
        self.optional(name)?.ok_or(FormatError::Missing(name))
    }

    /// A rank-4 tensor of floats, if there is one of that name.
    pub(super) fn optional(&self, name: &'static str) -> Result<Option<Tensor>, FormatError> {
        let Some(view) = self.view(name) else {
            return Ok(None);
        };
        let dims: [usize; 4] = dims(name, &view)?;
        Ok(Some(tensor(name, &view, dims)?))
    }

    /// `lse [B,Hq,Nq]` as `[B,Hq,Nq,1]`.
    pub(super) fn log_sum_exp(&self) -> Result<Option<Tensor>, FormatError> {
        let Some(view) = self.view("lse") else {
            return Ok(None);
        };
        let [b, h, i] = dims("lse", &view)?;
        Ok(Some(tensor("lse", &view, [b, h, i, 1])?))
    }

    /// `[H, rows, columns]` as `[1, H, rows, columns]`.
    pub(super) fn matrices(&self, name: &'static str) -> Result<Option<Tensor>, FormatError> {
        let Some(view) = self.view(name) else {
            return Ok(None);
        };
        let [h, rows, columns] = dims(name, &view)?;
        Ok(Some(tensor(name, &view, [1, h, rows, columns])?))
    }

    /// `[H, columns]` as `[1, H, 1, columns]`.
    pub(super) fn vectors(&self, name: &'static str) -> Result<Option<Tensor>, FormatError> {
        let Some(view) = self.view(name) else {
            return Ok(None);
        };
        let [h, columns] = dims(name, &view)?;
        Ok(Some(tensor(name, &view, [1, h, 1, columns])?))
    }

    pub(super) fn mask(&self) -> Result<Option<Mask>, FormatError> {
        let Some(view) = self.view("mask") else {
            return Ok(None);
        };
        let dims: [usize; 4] = dims("mask", &view)?;
        if !matches!(view.dtype(), FileType::BOOL | FileType::U8) {
            return Ok(Some(Mask::Additive(tensor("mask", &view, dims)?)));
        }
        let admits = view.data().iter().map(|&byte| match byte {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(FormatError::Tensor {
                tensor: "mask",
                found: format!("one with a byte {other}"),
                expected: "0 or 1".into(),
            }),
        });
        Ok(Some(Mask::Bool { dims, admits: admits.collect::<Result<_, _>>()? }))
    }

    pub(super) fn kv_len(&self) -> Result<Option<Vec<usize>>, FormatError> {
        let Some(view) = self.view("kv_len") else {
            return Ok(None);
        };
        let wrong = |expected: &str| wrong("kv_len", &view, expected);
        let [_]: [usize; 1] = dims("kv_len", &view)?;
        if view.dtype() != FileType::I64 {
            return Err(wrong("I64 [B]"));
        }
        let (words, _) = view.data().as_chunks::<8>();
        let lengths = words.iter().map(|&word| usize::try_from(i64::from_le_bytes(word)));
        lengths.collect::<Result<_, _>>().map(Some).map_err(|_| wrong("numbers from 0 up"))
    }

    /// A vector of F32.
    pub(super) fn floats(&self, name: &'static str) -> Result<Option<Vec<f32>>, FormatError> {
        let Some(view) = self.view(name) else {
            return Ok(None);
        };
        let [_]: [usize; 1] = dims(name, &view)?;
        if view.dtype() != FileType::F32 {
            return Err(wrong(name, &view, "F32 [Hq]"));
        }
        let (words, _) = view.data().as_chunks::<4>();
        Ok(Some(words.iter().map(|&word| f32::from_le_bytes(word)).collect()))
    }
}

fn wrong(tensor: &'static str, view: &TensorView<'_>, expected: &str) -> FormatError {
    let found = format!("{:?} {:?}", view.dtype(), view.shape());
    FormatError::Tensor { tensor, found, expected: expected.into() }
}

fn dims<const RANK: usize>(
    name: &'static str,
    view: &TensorView<'_>,
) -> Result<[usize; RANK], FormatError> {
    let expected = || wrong(name, view, &format!("{RANK} dimensions"));
    view.shape().try_into().map_err(|_| expected())
}

fn tensor(
    name: &'static str,
    view: &TensorView<'_>,
    dims: [usize; 4],
) -> Result<Tensor, FormatError> {
    let dtype = match view.dtype() {
        FileType::F64 => DType::F64,
        FileType::F32 => DType::F32,
        FileType::BF16 => DType::BF16,
        FileType::F16 => DType::F16,
        _ => return Err(wrong(name, view, "F64, F32, F16 or BF16")),
    };
    let data = Data::from_le_bytes(dtype, view.data());
    let tensor = data.and_then(|data| Tensor::new(dims, data).ok());
    tensor.ok_or_else(|| wrong(name, view, "as many bytes as its dimensions need"))
}

/// Tensors on their way into a file.
#[derive(Default)]
pub(super) struct Encoded(Vec<(&'static str, FileType, Vec<usize>, Vec<u8>)>);

impl Encoded {
    pub(super) fn tensor(&mut self, name: &'static str, tensor: &Tensor) {
        self.shaped(name, tensor, tensor.dims().to_vec());
    }

    /// A tensor without some of its axes of size 1.
    pub(super) fn shaped(&mut self, name: &'static str, tensor: &Tensor, dims: Vec<usize>) {
        let dtype = match tensor.dtype() {
            DType::F64 => FileType::F64,
            DType::F32 => FileType::F32,
            DType::BF16 => FileType::BF16,
            DType::F16 => FileType::F16,
        };
        self.0.push((name, dtype, dims, tensor.data().to_le_bytes()));
    }

    pub(super) fn booleans(&mut self, name: &'static str, dims: [usize; 4], values: &[bool]) {
        let bytes = values.iter().map(|&value| u8::from(value)).collect();
        self.0.push((name, FileType::BOOL, dims.to_vec(), bytes));
    }

    pub(super) fn integers(&mut self, name: &'static str, values: &[usize]) {
        let bytes = values.iter().flat_map(|&value| (value as i64).to_le_bytes()).collect();
        self.0.push((name, FileType::I64, vec![values.len()], bytes));
    }

    pub(super) fn floats(&mut self, name: &'static str, values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.0.push((name, FileType::F32, vec![values.len()], bytes));
    }

    pub(super) fn into_bytes(self, metadata: HashMap<String, String>) -> Vec<u8> {
        let views = self.0.iter().map(|(name, dtype, dims, bytes)| {
            let view = TensorView::new(*dtype, dims.clone(), bytes);
            (*name, view.expect("the bytes are those of the tensor"))
        });
        safetensors::serialize(views, Some(metadata)).expect("tensors and a string")
    }
}
