mod attn_engine;
mod model;

use attn_engine::{Engine, Problem, isa, serve};
use rten::{Model, NodeId, Value};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;

#[derive(Default)]
struct Rten {
    model: Option<Model>,
    inputs: Vec<(NodeId, Value)>,
    o: Option<Value>,
}

impl Engine for Rten {
    fn prepare(&mut self, p: &Problem) -> Result<(), String> {
        self.model = Some(model::load(p).map_err(|error| error.to_string())?);
        self.load(p)?;
        self.run()
    }

    fn load(&mut self, p: &Problem) -> Result<(), String> {
        let model = self.model.as_ref().ok_or("nothing is prepared")?;
        self.inputs.clear();
        for (name, id) in model::inputs(p).into_iter().flatten().zip(model.input_ids()) {
            let value: Value = if name == "lengths" {
                Tensor::full(&[p.size("batch")], p.size("len_k") as i32).into()
            } else if p.dtype(name) == "bool" {
                // Booleans are i32 in rten.
                let admitted: Vec<i32> = p.bytes(name)?.into_iter().map(i32::from).collect();
                Tensor::from_data(&p.dims(name), admitted).into()
            } else {
                Tensor::from_data(&p.dims(name), p.read(name)?).into()
            };
            self.inputs.push((*id, value));
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), String> {
        // Its memory can be had again.
        self.o = None;
        let model = self.model.as_ref().ok_or("nothing is prepared")?;
        let inputs = self.inputs.iter().map(|(id, value)| (*id, value.into())).collect();
        let outputs = model.run(inputs, model.output_ids(), None);
        self.o = outputs.map_err(|error| error.to_string())?.pop();
        Ok(())
    }

    fn store(&mut self, p: &Problem) -> Result<(), String> {
        let o = self.o.clone().ok_or("nothing is computed")?;
        let o: Tensor<f32> = o.try_into().map_err(|_| "the output is not f32")?;
        p.write("o", &o.to_vec())
    }
}

fn main() {
    serve(concat!("rten ", env!("CARGO_PKG_VERSION")), &isa(), Rten::default());
}
