//! Cleaning beyond memory: the findings do not depend on the memory limit, nor on threads.

use levain::Result;
use levain::clean::cuts::{CutPlan, LineKind, LinePlan, Place, SpanPlan};
use levain::clean::near::{NearFinder, NearGroups, NearPlan};
use levain::data::{Cell, Dataset, TableBuilder};
use std::borrow::Cow;

/// Texts of which some are near to others, some share lines, and some share passages.
fn texts() -> Vec<String> {
    let word = |seed: usize| format!("w{}", seed.wrapping_mul(2_654_435_761) % 997);
    let mut texts = Vec::new();
    for at in 0..3000 {
        let of = if at % 5 == 4 { at - 3 } else { at };
        let mut text: Vec<String> = (0..30 + of % 40).map(|place| word(of * 61 + place)).collect();
        if at % 5 == 4 {
            text[7] = format!("changed{at}");
        }
        let text = text.join(" ");
        let (start, rest) = text.split_at(text.len() / 2);
        texts.push(format!(
            "Header of section {}\n{start}\n{rest}\n第{}条 公司是企业法人，有独立的法人财产，享有法人财产权。",
            at % 31,
            at % 7
        ));
    }
    texts
}

fn rows(texts: &[String]) -> Dataset {
    let mut rows = TableBuilder::with_names(["text".into()]);
    for text in texts {
        rows.column("text").push(Cell::Text(text));
        rows.end_row().unwrap();
    }
    rows.finish().into()
}

fn near(texts: &[String], room: usize) -> (NearGroups, usize) {
    let plan = NearPlan { threshold: 0.7, ngram: 5 };
    let mut finder = NearFinder::with_room(plan, room);
    for some in texts.chunks(700) {
        finder.add(&some.iter().map(|text| Some(Cow::Borrowed(text.as_str()))).collect::<Vec<_>>()).unwrap();
    }
    let runs = finder.runs();
    (finder.finish().unwrap(), runs)
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn near_duplicates_are_the_same_with_signatures_on_the_disk() {
    let texts = texts();
    let (whole, in_files) = near(&texts, 64 << 20);
    assert_eq!(in_files, 0);
    assert!(whole.removed.len() >= 500, "{}", whole.removed.len());
    for (room, threads) in [(1 << 16, 2), (1 << 16, 1), (1 << 12, 2), (100, 1)] {
        let (groups, runs) = on_threads(threads, || near(&texts, room));
        assert!(runs > 100, "{runs} runs with room for {room} bytes");
        assert!(groups.first == whole.first && groups.removed == whole.removed, "room for {room} bytes");
    }
}

/// All places that a plan cuts, by row, and the number of runs of hashes in files.
fn cuts(plan: CutPlan, rows: &Dataset, part: usize, room: usize) -> (Vec<Vec<Place>>, usize) {
    let parts = (0..rows.len()).step_by(part).map(|start| Ok::<_, levain::Error>(rows.slice(start, start + part)));
    let mut cuts = plan.find_within("test", parts, "text", room).unwrap();
    let places = (0..rows.len()).map(|row| cuts.of_row(row as u32)).collect::<Result<Vec<_>>>().unwrap();
    (places, cuts.runs)
}

#[test]
fn lines_and_substrings_are_the_same_on_the_disk_on_threads_and_in_parts() {
    let rows = rows(&texts());
    let lines = LinePlan {
        kind: LineKind::Line,
        min_documents: 2,
        min_words: 1,
        keeps_first: true,
        numbers: false,
        keeps_whole: false,
    };
    let plans = [
        CutPlan::Lines(lines),
        CutPlan::Lines(LinePlan { min_documents: 90, keeps_first: false, ..lines }),
        CutPlan::Lines(LinePlan { kind: LineKind::Paragraph, ..lines }),
        CutPlan::Spans(SpanPlan { words: 12, characters: 12 }),
    ];
    for plan in plans {
        let (whole, in_files) = cuts(plan, &rows, 100_000, 64 << 20);
        assert_eq!(in_files, 0);
        if !matches!(plan, CutPlan::Lines(LinePlan { kind: LineKind::Paragraph, .. })) {
            let cut = whole.iter().filter(|places| !places.is_empty()).count();
            assert!(cut > 2000, "{plan:?} cuts {cut}");
        }
        for (part, room, threads) in [(7, 1 << 14, 1), (1000, 1 << 14, 2), (64, 1 << 20, 2), (5000, 1 << 10, 1)] {
            let (places, runs) = on_threads(threads, || cuts(plan, &rows, part, room));
            assert!(
                runs > 10
                    || room > 1 << 14
                    || matches!(plan, CutPlan::Lines(LinePlan { kind: LineKind::Paragraph, .. })),
                "{runs} runs"
            );
            assert!(places == whole, "{plan:?}, parts of {part}, room for {room} bytes");
        }
    }
}

/// The spans found by comparing every passage with every other, for a few rows.
#[test]
fn substrings_are_those_that_are_found_by_comparing_all() {
    let texts: Vec<String> = texts().into_iter().take(40).collect();
    let length = 9;
    let plan = CutPlan::Spans(SpanPlan { words: length, characters: length });
    let (found, _) = cuts(plan, &rows(&texts), 100, 1 << 20);
    let units: Vec<Vec<u64>> = texts.iter().map(|text| levain::clean::near::units(text)).collect();
    for (row, own) in units.iter().enumerate() {
        let mut cut = vec![false; own.len()];
        for start in 0..(own.len() + 1).saturating_sub(length) {
            let window = &own[start..start + length];
            let first = units[..=row].iter().enumerate().find_map(|(other, text)| {
                let most = if other == row { start + length - 1 } else { text.len() };
                let place = text[..most].windows(length).position(|some| some == window)?;
                Some((other, place))
            });
            let Some((other, place)) = first else { continue };
            let from = if other == row { start.max(place + length) } else { start };
            (from..start + length).for_each(|at| cut[at] = true);
        }
        let mut told = vec![false; own.len()];
        found[row].iter().for_each(|place| (place.start..place.end).for_each(|at| told[at as usize] = true));
        assert_eq!(told, cut, "row {row}");
    }
}

/// Whether a closure runs on all threads is read from the docs: a verb with side effects has the line `effect`.
#[test]
fn effects_of_verbs_are_told_in_their_docs() {
    let host = levain::script::Host::new();
    let one_thread = [
        "print",
        "debug",
        "write",
        "input",
        "exit",
        "args",
        "options",
        "sleep",
        "timestamp",
        "seed",
        "rand",
        "randn",
        "randint",
        "dropout",
        "save",
        "progress",
        "record",
        "checkpoint",
        "step",
        "backward",
        "no_grad",
        "param",
        "model",
        "stream",
        "dataset",
        "tokenizer",
        "eval",
        "Fn",
        "no_such_function",
    ];
    let wrong: Vec<&str> = one_thread.into_iter().filter(|name| levain::script::is_pure(name)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // and every verb without one is known
    let functions = levain::script::registry::functions(&host, true);
    let verbs = functions.iter().filter(|function| !function.has_effect && !function.name.contains("::"));
    let called = verbs.filter(|function| function.name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_'));
    let effects: Vec<&str> =
        functions.iter().filter(|function| function.has_effect).map(|function| function.name.as_str()).collect();
    let unknown = called.map(|function| function.name.as_str()).filter(|name| !levain::script::is_pure(name));
    let mut unknown: Vec<&str> = unknown.filter(|name| !one_thread.contains(name) && !effects.contains(name)).collect();
    unknown.dedup();
    assert!(unknown.is_empty(), "a closure that calls these runs on one thread: {unknown:?}");
}

/// Functions registered by a host program may have any effect.
#[test]
fn functions_of_a_host_program_run_on_one_thread() {
    let runtime = levain::Runtime::builder()
        .natives(|engine| {
            engine.register_fn("discount", |price: i64| price / 2);
        })
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "fn run(n) {{ clean::run(dataset([\"a\", \"b\"]), [#{{ rule: \"filter\", name: \"own\", keep: |row| discount(n) > 0 }}], #{{ out: \"{}\" }}) }}",
        folder.path().join("out").display()
    );
    let mut script = runtime.load("own", &text).unwrap();
    let told = script.call("run", (4,)).unwrap_err().to_string();
    assert!(told.contains("looks at its row alone, and it calls `discount`"), "{told}");
}
