mod attn_engine;

use attn_engine::{Engine, Problem, isa, serve};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, BoolStore, DType, Device, Tensor, TensorData};

#[derive(Default)]
struct Burn {
    options: AttentionModuleOptions,
    operands: Option<[Tensor<4>; 3]>,
    mask: Option<Tensor<4, Bool>>,
    bias: Option<Tensor<4>>,
    o: Option<Tensor<4>>,
}

fn dtype(name: &str) -> DType {
    match name {
        "f64" => DType::F64,
        "f32" => DType::F32,
        "bf16" => DType::BF16,
        "f16" => DType::F16,
        _ => DType::Bool(BoolStore::Native),
    }
}

fn data(p: &Problem, tensor: &str) -> Result<TensorData, String> {
    Ok(TensorData::from_bytes_vec(p.bytes(tensor)?, p.dims(tensor), dtype(p.dtype(tensor))))
}

impl Engine for Burn {
    fn prepare(&mut self, p: &Problem) -> Result<(), String> {
        self.options = AttentionModuleOptions {
            scale: p.json["scale"].as_f64(),
            softcap: p.json["softcap"].as_f64(),
            is_causal: p.json["causal"].is_string(),
        };
        self.load(p)?;
        self.run()
    }

    fn load(&mut self, p: &Problem) -> Result<(), String> {
        // Every operand, the bias too, has the storage type.
        let (device, storage) = (Device::flex(), dtype(p.dtype("q")));
        let tensor = |name| data(p, name).map(|data| Tensor::from_data(data, (&device, storage)));
        self.operands = Some([tensor("q")?, tensor("k")?, tensor("v")?]);
        (self.mask, self.bias) = (None, None);
        if p.has("bias") && p.dtype("bias") == "bool" {
            // True is what is masked.
            let admitted: Tensor<4, Bool> = Tensor::from_data(data(p, "bias")?, &device);
            self.mask = Some(admitted.bool_not());
        } else if p.has("bias") {
            self.bias = Some(tensor("bias")?);
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), String> {
        // Its memory can be had again.
        self.o = None;
        let [q, k, v] = self.operands.clone().ok_or("nothing is loaded")?;
        self.o = Some(attention(q, k, v, self.mask.clone(), self.bias.clone(), self.options));
        Ok(())
    }

    fn store(&mut self, p: &Problem) -> Result<(), String> {
        let o = self.o.as_ref().ok_or("nothing is computed")?;
        p.write_bytes("o", o.to_data().bytes())
    }
}

fn main() {
    serve(concat!("burn ", env!("CARGO_PKG_VERSION")), &isa(), Burn::default());
}
