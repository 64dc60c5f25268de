//! `model.safetensors`: tensors by name, of the size that the configuration says, as f32.

use attn_core::{DType, Data};
use safetensors::{Dtype, SafeTensors};

use crate::ModelError;
use crate::math::{Linear, Norm};

/// A file, with the prefix that some exports put before every name.
pub(crate) struct Tensors<'a> {
    file: SafeTensors<'a>,
    prefix: &'static str,
}

impl<'a> Tensors<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let prefixed = file.tensor("bert.embeddings.word_embeddings.weight").is_ok();
        Ok(Tensors { file, prefix: if prefixed { "bert." } else { "" } })
    }

    /// The tensor `name` as f32, if its dimensions are `dims`.
    pub(crate) fn get(&self, name: &str, dims: &[usize]) -> Result<Vec<f32>, ModelError> {
        let name = format!("{}{name}", self.prefix);
        let wrong = |problem: String| ModelError::Tensor { tensor: name.clone(), problem };
        let tensor = self.file.tensor(&name).map_err(|_| wrong("is missing".into()))?;
        let expected = format!("expected {dims:?} in F32, F16 or BF16");
        let found = || format!("is {:?} {:?}, {expected}", tensor.dtype(), tensor.shape());
        let dtype = match tensor.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            _ => return Err(wrong(found())),
        };
        if tensor.shape() != dims {
            return Err(wrong(found()));
        }
        let data = Data::from_le_bytes(dtype, tensor.data()).ok_or_else(|| wrong(found()))?;
        let values = match data {
            Data::F32(values) => values,
            half => half.to_f64().into_iter().map(|x| x as f32).collect(),
        };
        match values.iter().position(|x| !x.is_finite()) {
            Some(at) => Err(wrong(format!("is {} at {at}, expected finite weights", values[at]))),
            None => Ok(values),
        }
    }

    /// `name.weight` `[out, in]`, turned to `[in, out]`, and `name.bias`.
    pub(crate) fn linear(&self, name: &str, [from, to]: [usize; 2]) -> Result<Linear, ModelError> {
        let stored = self.get(&format!("{name}.weight"), &[to, from])?;
        let mut weight = vec![0.0; from * to];
        for (column, row) in stored.chunks_exact(from).enumerate() {
            for (at, x) in row.iter().enumerate() {
                weight[at * to + column] = *x;
            }
        }
        Ok(Linear { weight, bias: self.get(&format!("{name}.bias"), &[to])? })
    }

    /// `name.weight` and `name.bias`.
    pub(crate) fn norm(&self, name: &str, width: usize, eps: f64) -> Result<Norm, ModelError> {
        let [gain, bias] =
            ["weight", "bias"].map(|part| self.get(&format!("{name}.{part}"), &[width]));
        Ok(Norm { gain: gain?, bias: bias?, eps })
    }
}
