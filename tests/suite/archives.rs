//! Archives of data: every file in them is read as it would be outside, and a broken archive or a bomb is an error.

use levain::data::{By, Cell, Dataset, Source, Stream, TextForm};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file in a zip: name, bytes, method.
type Packed<'p> = (&'p str, &'p [u8], u16);

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zip(files: &[Packed]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (name, bytes, method) in files {
        let packed = match method {
            8 => deflated(bytes),
            93 => zstd::encode_all(*bytes, 3).unwrap(),
            _ => bytes.to_vec(),
        };
        let start = out.len() as u32;
        let mut facts = Vec::new();
        facts.extend(20u16.to_le_bytes());
        facts.extend(0u16.to_le_bytes());
        facts.extend(method.to_le_bytes());
        facts.extend([0; 4]);
        facts.extend(crc32fast::hash(bytes).to_le_bytes());
        facts.extend((packed.len() as u32).to_le_bytes());
        facts.extend((bytes.len() as u32).to_le_bytes());
        facts.extend((name.len() as u16).to_le_bytes());
        facts.extend([0; 2]);
        out.extend(b"PK\x03\x04");
        out.extend(&facts);
        out.extend(name.as_bytes());
        out.extend(&packed);
        list.extend(b"PK\x01\x02\x14\x00");
        list.extend(&facts);
        list.extend([0; 10]);
        list.extend(start.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let (start, count) = (out.len() as u32, files.len() as u16);
    out.extend(&list);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend((list.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}

fn header(name: &str, size: usize, kind: u8) -> Vec<u8> {
    let mut block = vec![0u8; 512];
    let name = &name.as_bytes()[..name.len().min(100)];
    block[..name.len()].copy_from_slice(name);
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[148..156].copy_from_slice(b"        ");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(bytes.len().next_multiple_of(512), 0);
    out
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = header("folder/", 0, b'5');
    for (at, (name, bytes)) in files.iter().enumerate() {
        if name.len() > 100 && at % 2 == 0 {
            out.extend(header("././@LongLink", name.len() + 1, b'L'));
            out.extend(padded(format!("{name}\0").as_bytes()));
        } else if name.len() > 100 {
            let body = format!(" path={name}\n");
            let length = (body.len() + 1..).find(|length| length.to_string().len() + body.len() == *length).unwrap();
            let record = format!("{length}{body}");
            out.extend(header("pax", record.len(), b'x'));
            out.extend(padded(record.as_bytes()));
        }
        out.extend(header(name, bytes.len(), b'0'));
        out.extend(padded(bytes));
    }
    out.extend([0; 1024]);
    out
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn source(path: &Path) -> Source {
    let mut source = Source::expand("dataset", &[path.to_str().unwrap()]).unwrap();
    source.file_field = Some("file".into());
    source
}

fn read(path: &Path) -> Result<Dataset, String> {
    source(path).read("dataset").map(Dataset::from).map_err(told)
}

fn told(error: levain::Error) -> String {
    format!("{error} {}", error.advice().unwrap_or_default())
}

/// `text` of each row, and the end of the name of its source file.
fn shown(data: &Dataset) -> Vec<(String, String)> {
    let text = |field: &str, at| match data.cell(data.field("test", field).unwrap(), at) {
        Cell::Text(text) => text.to_string(),
        _ => String::new(),
    };
    let name = |file: String| file.split_once("/data.").map_or(file.clone(), |(_, rest)| rest.to_string());
    (0..data.len()).map(|at| (text("text", at), name(text("file", at)))).collect()
}

const LONG: &str =
    "a-folder-whose-name-is-long-enough-that-no-header-of-a-tar-file-has-room-for-it/and-one-more-of-them/rows.jsonl";

#[test]
fn files_of_archives_are_read_as_they_are_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let jsonl = gzip(b"{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
    let gbk: &[u8] = b"\xb5\xda\xd2\xbb\xcc\xf5\n";
    let files: [(&str, &[u8]); 8] = [
        ("a/rows.jsonl.gz", &jsonl),
        ("b.csv", b"text,n\nthree,3\n"),
        ("__MACOSX/._b.csv", b"x"),
        ("empty.csv", b""),
        ("picture.png", b"\x89PNG"),
        (".hidden.txt", b"nothing\n"),
        (LONG, b"{\"text\":\"four\"}\n"),
        ("c.txt", "fünf\n".as_bytes()),
    ];
    let expected = |ending: &str| {
        let of = |text: &str, name: &str| (text.to_string(), format!("{ending}/{name}"));
        vec![of("one", files[0].0), of("two", files[0].0), of("three", "b.csv"), of("four", LONG), of("fünf", "c.txt")]
    };
    let zipped: Vec<Packed> =
        files.iter().zip([0, 8, 8, 0, 93, 8, 93, 8]).map(|((name, bytes), method)| (*name, *bytes, method)).collect();
    let tarred = tar(&files);
    for (ending, bytes) in [
        ("zip", zip(&zipped)),
        ("tar", tarred.clone()),
        ("tar.gz", gzip(&tarred)),
        ("tgz", gzip(&tarred)),
        ("tar.zst", zstd::encode_all(tarred.as_slice(), 3).unwrap()),
    ] {
        let path = put(folder.path(), &format!("data.{ending}"), &bytes);
        assert_eq!(shown(&read(&path).unwrap()), expected(ending), "{ending}");
        // and as a stream, a part at a time
        let parts: Vec<Dataset> = Stream::open(source(&path)).unwrap().blocks().unwrap().map(Result::unwrap).collect();
        assert_eq!(parts.iter().flat_map(shown).collect::<Vec<_>>(), expected(ending), "{ending}");
        assert!(parts.len() > 3);
    }
    // in a folder beside others; whole files as rows; an encoding
    assert_eq!(read(folder.path()).unwrap().len(), 5 * 5);
    let path = put(folder.path(), "pages.zip", &zip(&[("a.html", b"<p>one</p>", 8), ("b.txt", gbk, 0)]));
    let mut pages = source(&path);
    pages.form = TextForm { by: By::Document, ..TextForm::default() };
    pages.charset = levain::data::Charset::named("test", "gb18030").unwrap();
    let rows = Dataset::from(pages.read("dataset").unwrap());
    assert_eq!(rows.cell(rows.field("test", "html").unwrap(), 0), Cell::Text("<p>one</p>"));
    assert_eq!(rows.cell(rows.field("test", "text").unwrap(), 1), Cell::Text("第一条\n"));
    // a parquet file, which is read from its end
    let parquet = std::fs::read("scripts/data/english.parquet").unwrap();
    let whole = Dataset::from(Source::from(Path::new("scripts/data/english.parquet")).read("dataset").unwrap());
    for (name, bytes) in [("p.zip", zip(&[("e.parquet", &parquet, 8)])), ("p.tar", tar(&[("e.parquet", &parquet)]))] {
        let rows = read(&put(folder.path(), name, &bytes)).unwrap();
        assert_eq!(rows.len(), whole.len());
        assert_eq!(rows.cell(0, 5), whole.cell(0, 5));
    }
}

#[test]
fn broken_archives_and_bombs_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |name: &str, bytes: &[u8]| read(&put(folder.path(), name, bytes)).err().unwrap();
    let rows = "{\"text\":\"of a line that is long enough\"}\n".repeat(200_000);
    for (name, bytes) in [
        ("bomb.zip", zip(&[("rows.jsonl", rows.as_bytes(), 8)])),
        ("bomb.tar.gz", gzip(&tar(&[("rows.jsonl", rows.as_bytes())]))),
        ("bomb.tar.zst", zstd::encode_all(tar(&[("rows.jsonl", rows.as_bytes())]).as_slice(), 3).unwrap()),
        // packed twice
        ("inner.zip", zip(&[("rows.jsonl.gz", &gzip(rows.as_bytes()), 0)])),
        ("inner.tar", tar(&[("rows.jsonl.zst", &zstd::encode_all(rows.as_bytes(), 3).unwrap())])),
    ] {
        let told = fault(name, &bytes);
        assert!(told.contains(name) && told.contains("it unpacks to more than 100 times its size"), "{told}");
        assert!(told.contains("is it a bomb?"), "{told}");
    }
    let good = zip(&[("rows.jsonl", b"{\"text\":\"one\"}\n", 8)]);
    assert!(fault("no.zip", b"not a zip file").contains("it is no zip file, or its end is missing"));
    assert!(fault("half.zip", &good[..good.len() / 2]).contains("it is no zip file"));
    let mut other = good.clone();
    other[44] ^= 0x10;
    let told = fault("other.zip", &other);
    assert!(told.contains("other.zip"), "{told}");
    let mut sum = zip(&[("rows.jsonl", b"{\"text\":\"one\"}\n", 0)]);
    let at = sum.windows(3).position(|some| some == b"one").unwrap();
    sum[at] = b'a';
    assert!(fault("sum.zip", &sum).contains("is not what its checksum says"));
    let mut locked = good.clone();
    let list = locked.windows(4).position(|some| some == b"PK\x01\x02").unwrap();
    locked[list + 8] |= 1;
    assert!(fault("locked.zip", &locked).contains("rows.jsonl: it is encrypted"));
    let mut method = good;
    method[list + 10] = 12;
    assert!(fault("method.zip", &method).contains("rows.jsonl: it is packed by method Bzip2"));
    // a false length: more is unpacked than the directory states
    let mut lying = zip(&[("rows.jsonl", b"{\"text\":\"one\"}\n", 8)]);
    let list = lying.windows(4).position(|some| some == b"PK\x01\x02").unwrap();
    lying[list + 24] = 3;
    let told = fault("lying.zip", &lying);
    assert!(told.contains("rows.jsonl: broken zip: File is larger than its declared"), "{told}");
    for (name, bytes) in
        [("out.zip", zip(&[("a/../../rows.jsonl", b"{}\n", 0)])), ("out.tar", tar(&[("../rows.jsonl", b"{}\n")]))]
    {
        let told = fault(name, &bytes);
        assert!(told.contains("rows.jsonl: its name leads out of the archive"), "{told}");
    }
    assert!(fault("pictures.zip", &zip(&[("a.png", b"x", 0)])).contains("no data files are in it, among 1 file"));
    assert!(fault("no.tar", &[b'x'; 2000]).contains("it is no tar file"));
    let tarred = tar(&[("rows.jsonl", "{\"text\":\"one\"}\n".repeat(90).as_bytes())]);
    assert!(fault("half.tar", &tarred[..1500]).contains("half.tar"));
    let mut sum = tarred.clone();
    sum[512] ^= 1;
    assert!(fault("sum.tar", &sum).contains("broken tar: archive header checksum mismatch"));
    let long = [header("././@LongLink", 2 << 20, b'L'), vec![b'x'; 2 << 20], tarred.clone()].concat();
    assert!(fault("long.tar", &long).contains("broken tar: a name of more than 1 MB"));
    assert!(fault("named.tar.gz", &tarred).contains("the ending says gzip data"));
    // a fault in a file names it
    let told = fault("row.zip", &zip(&[("a.jsonl", b"{\"text\":\"one\"}\n", 0), ("b.jsonl", b"{\"text\":\n", 0)]));
    assert!(told.contains("row.zip/b.jsonl:1:"), "{told}");
    let refused = levain::data::save(
        &read(&put(folder.path(), "g.tar", &tarred)).unwrap(),
        &folder.path().join("x.zip"),
        TextForm::default(),
    );
    assert!(refused.unwrap_err().to_string().contains("rows are not written as this"));
}
