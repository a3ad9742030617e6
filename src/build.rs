//! Embeds the `.cpipe` library with its syntax trees, and tells the linker where libtorch lies.

#![expect(dead_code, reason = "of what reads texts, the crate uses more")]

mod source {
    mod place;
    pub use place::{FileId, Span};
}
mod syntax {
    pub mod grammar;
    pub mod lossless;
}

// What pest derives names it.
extern crate alloc;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs, io};

use source::FileId;
use syntax::grammar::{self, Rule};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let mut modules = Vec::new();
    collect(&root.join("stdlib"), "std", &mut modules)?;
    collect(&root.join("pipelines"), "std.pipelines", &mut modules)?;
    modules.sort();
    // The name, the text and the tree of each, which is empty where the text cannot be read: who wants
    // to know why reads it again.
    let mut code = String::from("static LIBRARY: &[(&str, &str, &[u8])] = &[\n");
    for (name, path) in modules {
        let text: Arc<str> = fs::read_to_string(&path)?.into();
        let tree = grammar::read(&text, FileId(0), Rule::file).map(|tree| tree.write());
        let stored = out.join(format!("{name}.tree"));
        fs::write(&stored, tree.unwrap_or_default())?;
        writeln!(code, "    ({name:?}, include_str!({path:?}), include_bytes!({stored:?})),")
            .expect("a String takes writes");
    }
    code.push_str("];\n");
    fs::write(out.join("library.rs"), code)?;

    #[cfg(feature = "libtorch")]
    libtorch(&root);
    Ok(())
}

/// Compiles what the bindings lack, and tells the linker where libtorch lies: torch-sys links it but
/// leaves the binary without a way to find it.
#[cfg(feature = "libtorch")]
fn libtorch(root: &Path) {
    let Some(folder) = env::var_os("DEP_TCH_LIBTORCH_LIB") else { return };
    let folder = Path::new(&folder);
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    let place = |name| root.join("src/device/libtorch").join(name);
    let sources = ["functions.cpp", "batch_norm.cpp"].map(place);
    for read in sources.iter().chain([&place("guarded.h")]) {
        println!("cargo:rerun-if-changed={}", read.display());
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let headers = env::var_os("LIBTORCH_INCLUDE").map(PathBuf::from);
    let headers = headers.unwrap_or_else(|| folder.parent().unwrap_or(folder).to_owned());
    // As torch-sys has it.
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(headers.join("include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .files(sources)
        .compile("cpipe_libtorch");
}

fn collect(folder: &Path, prefix: &str, modules: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let name = format!("{prefix}.{stem}");
        if path.is_dir() {
            collect(&path, &name, modules)?;
        } else if path.extension().is_some_and(|extension| extension == "cpipe") {
            println!("cargo:rerun-if-changed={}", path.display());
            modules.push((name, path));
        }
    }
    Ok(())
}
