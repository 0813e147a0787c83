//! Charts in files.

use levain::plot::{Axis, Chart, SeriesKind};

#[test]
fn a_chart_is_written_whole_and_escaped() {
    let folder = tempfile::tempdir().expect("a folder");
    let chart = Chart::new("more <&> \"less\"")
        .with("line", SeriesKind::Line, "法律", vec![1.0, 10.0, 100.0], vec![3.0, 2.5, f64::NAN])
        .and_then(|chart| chart.with_axis("x", Axis { label: "tokens".into(), log: true }))
        .expect("a chart");
    for name in ["chart.svg", "chart.html"] {
        let path = folder.path().join(name);
        chart.save(&path).expect("written");
        let text = std::fs::read_to_string(path).expect("read");
        assert!(text.contains("more &lt;&amp;&gt; &quot;less&quot;") && text.contains("法律"), "{text}");
        assert!(!text.contains("more <&>") && !text.contains("NaN\" "));
    }
    chart.save(&folder.path().join("chart.png")).unwrap();
    let picture = std::fs::read(folder.path().join("chart.png")).unwrap();
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!((&picture[16..20], &picture[20..24]), (&1520u32.to_be_bytes()[..], &880u32.to_be_bytes()[..]));
    assert!(chart.save(&folder.path().join("chart.gif")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 3);
}
