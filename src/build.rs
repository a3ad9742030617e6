//! Embeds the `.cpipe` library, and tells the linker where libtorch lies.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let mut modules = Vec::new();
    collect(&root.join("stdlib"), "std", &mut modules)?;
    collect(&root.join("pipelines"), "std.pipelines", &mut modules)?;
    modules.sort();
    let mut code = String::from("static LIBRARY: &[(&str, &str)] = &[\n");
    for (name, path) in modules {
        writeln!(code, "    ({name:?}, include_str!({path:?})),").expect("a String takes writes");
    }
    code.push_str("];\n");
    fs::write(out.join("library.rs"), code)?;

    // torch-sys links libtorch but leaves the binary without a way to find it.
    if let Some(folder) = env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", Path::new(&folder).display());
    }
    Ok(())
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
