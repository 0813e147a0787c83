//! Random numbers.

use levain::tensor::Rng;

/// The known answers of Philox4x32-10 for an all-zero key and counter (Random123's kat_vectors).
#[test]
fn rng_is_philox() {
    let mut rng = Rng::new(0);
    assert_eq!(rng.next_u64(), 0xe169c58d_6627e8d5);
    assert_eq!(rng.next_u64(), 0x9b00dbd8_bc57ac4c);
}

#[test]
fn rng_normal_has_the_moments_of_the_normal_distribution() {
    let mut rng = Rng::new(1);
    let mut numbers = vec![0u64; 200_000];
    rng.fill(&mut numbers, |word| word);
    let mut again = Rng::new(1);
    let normal: Vec<f64> = (0..numbers.len()).map(|_| again.normal()).collect();
    assert_eq!(rng, again);
    let moment = |power: i32| normal.iter().map(|x| x.powi(power)).sum::<f64>() / normal.len() as f64;
    for (power, expect, tolerance) in [(1, 0.0, 0.01), (2, 1.0, 0.015), (3, 0.0, 0.04), (4, 3.0, 0.1)] {
        assert!((moment(power) - expect).abs() < tolerance, "moment {power} is {}", moment(power));
    }
    let beyond = normal.iter().filter(|x| x.abs() > 1.959_964).count() as f64 / normal.len() as f64;
    assert!((beyond - 0.05).abs() < 0.002, "{beyond}");
}

#[test]
fn rng_streams_are_their_own_and_resume() {
    let rng = Rng::new(7);
    assert_ne!(rng.split("dropout"), rng.split("order"));
    assert_ne!(rng.split(1), rng.split(2));
    let mut one = rng.split("dropout");
    one.uniform();
    let saved = serde_json::to_string(&one).unwrap();
    let mut other: Rng = serde_json::from_str(&saved).unwrap();
    assert_eq!(one.next_u64(), other.next_u64());
    // in one call or in several
    let (mut whole, mut parts) = (vec![0.0f32; 7], vec![0.0f32; 7]);
    Rng::new(3).fill_normal(&mut whole);
    let mut pieces = Rng::new(3);
    pieces.fill_normal(&mut parts[..3]);
    pieces.fill_normal(&mut parts[3..]);
    assert_eq!(whole, parts);
}
