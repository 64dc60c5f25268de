//! The layer in f64, straight from its definition, with a bound on what f32 may differ by.
//!
//! With `u` the unit roundoff of f32 and `G(n) = min(n, 6 sqrt(n))` roundings in a sum of n terms
//! (Higham and Mary 2019, as in the error budgets), absolute values taken element by element:
//!
//! ```text
//! eq    = u G(M+1) (|x| |W_Q| + |b|)                  ek, ev alike
//! es    = scale (eq |k| + |q| ek + eq ek) + u G(D+2) scale (|q|+eq) (|k|+ek)
//! E_j   = es_j + u (3 |s_j - m| + 4)                  a weight is off by a factor exp(+-E_j)
//! rho_j = expm1(E_j + max E + 2 u (6 Nk + 3))         the denominator too, and both sums over keys
//! eo    = sum_j w_j (ev_j + (|v_j| + ev_j) rho_j)
//! edelta = sum_hc eo |W_up| + u G(H Dv + 1) (sum_hc (|o|+eo) |W_up| + |b_up|)
//! eout  = edelta + u (|x| + |delta|)
//! ```

use attn_head::{LayerProblem, Weights};

/// A result, element by element, and how far an f32 computation may be from it.
pub(crate) struct Reference {
    pub(crate) out: Vec<f64>,
    pub(crate) bound: Vec<f64>,
}

const U: f64 = f32::EPSILON as f64 / 2.0;

fn roundings(terms: usize) -> f64 {
    let n = terms as f64;
    n.min(6.0 * n.sqrt())
}

/// A number and its error bound.
type Bounded = (f64, f64);

/// One row of `x W + b`.
fn project(x: &[f32], w: &[f32], b: Option<&[f32]>, width: usize) -> Vec<Bounded> {
    let column = |c: usize| {
        let bias = b.map_or(0.0, |b| f64::from(b[c]));
        let products =
            x.iter().enumerate().map(|(m, &x)| f64::from(x) * f64::from(w[m * width + c]));
        let (sum, size) = products.fold((bias, bias.abs()), |(s, a), p| (s + p, a + p.abs()));
        (sum, U * roundings(x.len() + 1) * size)
    };
    (0..width).map(column).collect()
}

fn score(q: &[Bounded], k: &[Bounded], scale: f64) -> Bounded {
    let (mut s, mut inherited, mut size) = (0.0, 0.0, 0.0);
    for (&(q, eq), &(k, ek)) in q.iter().zip(k) {
        s += q * k;
        inherited += eq * k.abs() + q.abs() * ek + eq * ek;
        size += (q.abs() + eq) * (k.abs() + ek);
    }
    let own = U * roundings(q.len() + 2) * size;
    (scale * s, scale.abs() * (inherited + own))
}

/// The mix of the admitted values for one query.
fn attend(scores: &[Bounded], values: &[&[Bounded]], width: usize) -> Vec<Bounded> {
    let largest = scores.iter().map(|s| s.0).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| (s.0 - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let errors = scores.iter().map(|&(s, e)| e + U * (3.0 * (largest - s) + 4.0));
    let errors: Vec<f64> = errors.collect();
    let worst = errors.iter().copied().fold(0.0, f64::max);
    let sums = 2.0 * U * (6.0 * scores.len() as f64 + 3.0);
    let column = |c: usize| {
        let terms = weights.iter().zip(&errors).zip(values).map(|((w, e), v)| {
            let (value, error) = v[c];
            let share = w / sum;
            let relative = (e + worst + sums).exp_m1();
            (share * value, share * (error + (value.abs() + error) * relative))
        });
        terms.fold((0.0, 0.0), |(o, e), (term, error)| (o + term, e + error))
    };
    (0..width).map(column).collect()
}

impl Reference {
    /// `x + delta` of self-attention, or of cross attention to `context`.
    pub(crate) fn compute(
        problem: &LayerProblem,
        weights: &Weights,
        x: &[f32],
        context: Option<&[f32]>,
    ) -> Self {
        let (shape, model, attention) = (problem.shape(), problem.model(), problem.attention());
        let context = context.unwrap_or(x);
        let (d, dv) = (shape.dim, shape.dim_v);
        let mut reference = Reference { out: Vec::new(), bound: Vec::new() };
        let biases = weights.biases.as_ref();
        for b in 0..shape.batch {
            let x = &x[b * shape.len_q * model..][..shape.len_q * model];
            let context = &context[b * shape.len_k * model..][..shape.len_k * model];
            for (i, x) in x.chunks_exact(model).enumerate() {
                let mut delta = vec![(0.0, 0.0); model];
                let mut size = vec![0.0; model];
                for h in 0..shape.heads_q {
                    let kv = shape.kv_head(h);
                    let part = |w: &[f32], h: usize, n: usize| w[h * n..][..n].to_vec();
                    let bias = |b: Option<&Vec<f32>>, h, n| b.map(|b| part(b, h, n));
                    let w_q = part(&weights.q, h, model * d);
                    let w_k = part(&weights.k, kv, model * d);
                    let w_down = part(&weights.down, kv, model * dv);
                    let (b_q, b_k) =
                        (bias(biases.map(|b| &b.q), h, d), bias(biases.map(|b| &b.k), kv, d));
                    let b_down = bias(biases.map(|b| &b.down), kv, dv);
                    let q = project(x, &w_q, b_q.as_deref(), d);
                    let admitted: Vec<&[f32]> =
                        attention.admitted(b, i).map(|j| &context[j * model..][..model]).collect();
                    let keys = admitted.iter().map(|c| project(c, &w_k, b_k.as_deref(), d));
                    let scores: Vec<Bounded> =
                        keys.map(|k| score(&q, &k, attention.scale())).collect();
                    let values: Vec<Vec<Bounded>> = admitted
                        .iter()
                        .map(|c| project(c, &w_down, b_down.as_deref(), dv))
                        .collect();
                    let values: Vec<&[Bounded]> = values.iter().map(|v| &v[..]).collect();
                    let o = attend(&scores, &values, dv);
                    for (c, (delta, size)) in delta.iter_mut().zip(&mut size).enumerate() {
                        for (a, &(o, eo)) in o.iter().enumerate() {
                            let up = f64::from(weights.up[(h * dv + a) * model + c]);
                            delta.0 += o * up;
                            delta.1 += eo * up.abs();
                            *size += (o.abs() + eo) * up.abs();
                        }
                    }
                }
                for (c, ((mut sum, mut error), mut size)) in delta.into_iter().zip(size).enumerate()
                {
                    let bias = biases.map_or(0.0, |b| f64::from(b.up[c]));
                    sum += bias;
                    size += bias.abs();
                    error += U * roundings(shape.heads_q * dv + 1) * size;
                    let x = f64::from(x[c]);
                    reference.out.push(x + sum);
                    reference.bound.push(error + U * (x.abs() + sum.abs()));
                }
            }
        }
        reference
    }

    /// The largest error of `out`.
    pub(crate) fn worst(&self, out: &[f32]) -> f64 {
        let errors = out.iter().zip(&self.out).map(|(&out, truth)| (f64::from(out) - truth).abs());
        errors.fold(0.0, f64::max)
    }

    /// The largest error of `out` as a share of what it may be.
    pub(crate) fn share(&self, out: &[f32]) -> f64 {
        assert_eq!(out.len(), self.out.len());
        let errors = out.iter().zip(&self.out).map(|(&out, truth)| (f64::from(out) - truth).abs());
        let shares = errors.zip(&self.bound).map(|(error, bound)| error / bound);
        shares.fold(0.0, |worst, share| if share > worst || share.is_nan() { share } else { worst })
    }
}
