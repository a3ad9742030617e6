//! The compiled graphs of what ships, in their public form.

use cpipe::graph::{Graph, GraphFile, dot, mermaid};
use cpipe::resolve::Disk;
use cpipe::source::library;
use cpipe::{Request, compile};

fn graph(file: &str, profile: Option<&str>) -> Graph {
    let request = Request { file, profile, required: true, ..Request::default() };
    let compilation = compile(&request, &Disk);
    assert!(compilation.diagnostics.is_empty(), "{:?}", compilation.diagnostics);
    compilation.compiled.expect("a pipeline").graph
}

#[test]
fn every_shipped_pipeline() {
    let names = library().map(|(_, source)| source.name.as_str());
    for name in names.filter(|name| name.starts_with("std.pipelines.")) {
        insta::assert_snapshot!(name, graph(name, None).to_ron());
    }
}

#[test]
fn profile_quick() {
    for name in ["moco_cifar10", "simclr_cifar10"] {
        let graph = graph(&format!("std.pipelines.{name}"), Some("quick"));
        insta::assert_snapshot!(format!("{name}_quick"), graph.to_ron());
    }
}

#[test]
fn pictures() {
    let graph = graph("std.pipelines.moco_cifar10", None);
    insta::assert_snapshot!("moco_cifar10_dot", dot(&graph));
    insta::assert_snapshot!("moco_cifar10_mermaid", mermaid(&graph));
}

#[test]
fn the_written_form_reads_back() {
    let graph = graph("std.pipelines.moco_cifar10", None);
    let read: GraphFile = ron::from_str(&graph.to_ron()).expect("the form that was written");
    assert_eq!(read, graph.to_file());
}
