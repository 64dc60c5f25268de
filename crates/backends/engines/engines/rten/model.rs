//! A model of one operator, Attention of opset 24.

use rten::Model;
use rten_onnx::onnx;

use crate::attn_engine::Problem;

/// Its inputs. `lengths` has the number of valid keys: of the causal masks that
/// the operator knows, the one with it lets the last query see the last key.
pub fn inputs(p: &Problem) -> [Option<&'static str>; 7] {
    let bias = p.has("bias").then_some("bias");
    let lengths = (p.json["causal"] == "bottom-right").then_some("lengths");
    [Some("q"), Some("k"), Some("v"), bias, None, None, lengths]
}

/// The model.
pub fn load(p: &Problem) -> Result<Model, Box<dyn std::error::Error>> {
    let text = |text: &str| Some(text.to_string());
    let value = |name| onnx::ValueInfoProto { name: text(name), ..Default::default() };
    let float = |name| onnx::AttributeProto {
        name: text(name),
        f: Some(p.json[name].as_f64().unwrap_or(0.0) as f32),
        r#type: Some(onnx::AttributeType::FLOAT),
        ..Default::default()
    };
    let causal = onnx::AttributeProto {
        name: text("is_causal"),
        i: Some(p.json["causal"].is_string().into()),
        r#type: Some(onnx::AttributeType::INT),
        ..Default::default()
    };
    let node = onnx::NodeProto {
        op_type: text("Attention"),
        input: inputs(p).map(|name| name.unwrap_or_default().to_string()).into(),
        output: vec!["o".to_string()],
        attribute: vec![float("scale"), float("softcap"), causal],
        ..Default::default()
    };
    let graph = onnx::GraphProto {
        node: vec![node],
        input: inputs(p).into_iter().flatten().map(value).collect(),
        output: vec![value("o")],
        ..Default::default()
    };
    let opset = onnx::OperatorSetIdProto { domain: text(""), version: Some(24) };
    let model = onnx::ModelProto {
        ir_version: Some(11),
        graph: Some(graph),
        opset_import: vec![opset],
        ..Default::default()
    };
    Ok(Model::load(model.write_buf()?)?)
}
