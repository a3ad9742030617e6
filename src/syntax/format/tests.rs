//! The rules, a small case each.

use super::format;
use crate::source::Sources;
use crate::syntax::parse;

fn formatted(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add("test.cpipe", text);
    format(&parse::file(&sources, id).lossless)
}

/// A text, what becomes of it, and that it stays so.
#[track_caller]
fn becomes(text: &str, expected: &str) {
    assert_eq!(formatted(text), expected);
    assert_eq!(formatted(expected), expected);
}

#[track_caller]
fn stays(text: &str) {
    becomes(text, text);
}

#[test]
fn nothing() {
    stays("");
    becomes(" \n\n", "");
    becomes("\n\n// a\n\n\n// b", "// a\n\n// b\n");
}

#[test]
fn lines_end_as_the_first_one() {
    let neat = "// a\n\n/// b\npipeline p() {\n  let c = 1  // d\n\n  let e = 2\n}\n";
    stays(neat);
    stays(&neat.replace('\n', "\r\n"));
    becomes("//! a\r\nuse  b\n\n\nuse c\r\n// d\n", "//! a\r\n\r\nuse b\r\nuse c\r\n\r\n// d\r\n");
    becomes("use  a\nuse b // c\r\n\r\n\r\n", "use a\nuse b  // c\n");
    // One that is not written decides nothing, nor does what ends no line.
    becomes("\n \n// a\r\n", "// a\r\n");
    becomes("\r\nuse a\n", "use a\n");
    becomes("use a\ruse b", "use a\nuse b\n");
    // What could not be read keeps its own, and decides for the rest.
    let wrong = "define a() -> X {\n  ?\r\n}";
    becomes(&format!("use  b\r\n{wrong}\nuse  c"), &format!("use b\n\n{wrong}\n\nuse c\n"));
    stays(&format!("{wrong}\n"));
}

#[test]
fn imports_are_one_sorted_block() {
    becomes(
        "use .b\nuse std.z.{c,a,}\n\nuse std.a.x\nuse std.z.{b}\n",
        "use std.a.x\nuse std.z.{a, b, c}\nuse .b\n",
    );
    // Those with comments keep their places, and the others stay on their side of them.
    stays("use z\nuse b  // both\nuse a\nuse c\n");
    stays("use z\n\n// Of the package.\nuse b\nuse a.{\n  // first\n  d,\n  c,\n}\n");
    let long = ["first", "second", "third", "fourth"].map(|name| name.repeat(5)).join(", ");
    becomes(
        &format!("use a.{{{long}}}\n"),
        "\
use a.{
  firstfirstfirstfirstfirst,
  fourthfourthfourthfourthfourth,
  secondsecondsecondsecondsecond,
  thirdthirdthirdthirdthird,
}
",
    );
}

#[test]
fn one_blank_line_between_items_and_at_most_one_within() {
    becomes(
        "//! Module.\n/// One.\nextern a() -> X\nextern b() -> X // b\n\n\n// c\n\nextern c() -> X\n// end",
        "//! Module.\n\n/// One.\nextern a() -> X\n\nextern b() -> X  // b\n\n// c\n\nextern c() -> X\n\n// end\n",
    );
    becomes(
        "pipeline p {\n\n\n  let a = 1\n\n\n  let b = 2\n\n  // c\n\n}\n",
        "pipeline p {\n  let a = 1\n\n  let b = 2\n\n  // c\n}\n",
    );
}

#[test]
fn parameters_stand_in_columns_or_on_one_line() {
    stays("extern a(size: Int > 0, detached x?: Tensor[n, ..s]) -> { b: Int, c?: Int }\n");
    becomes(
        "extern a(\n size: Int > 0, b?: Int,\n /// C.\n c: Float in 0..=1=1, detached dd: small|large = small) -> X",
        "\
extern a(
  size:        Int > 0,
  b?:          Int,
  /// C.
  c:           Float in 0..=1 = 1,
  detached dd: small | large  = small,
) -> X
",
    );
    // Columns end at a blank line, and none is made for what is very wide.
    becomes(
        "extern a(\n  aaa: Int = 1,\n\n  b: Int = 1,\n) -> X",
        "extern a(\n  aaa: Int = 1,\n\n  b: Int = 1,\n) -> X\n",
    );
    stays(
        "extern a(\n  a: Encoder[Image[3, h, w] -> Feature[8 * width]] = b,\n  c: Int = 1,\n) -> X\n",
    );
}

#[test]
fn what_is_too_wide_is_broken_from_without() {
    let value = "a".repeat(30);
    becomes(
        &format!("pipeline p {{ let x = f(a: {value} >> {value} >> 1, bc: {value}) }}"),
        &format!(
            "\
pipeline p {{
  let x = f(
    a:  {value} >> {value} >> 1,
    bc: {value},
  )
}}
"
        ),
    );
    becomes(
        &format!("define d() -> X {{ let x = {value} >> {value} >> f(a, {value}) }}"),
        &format!(
            "\
define d() -> X {{
  let x = {value}
    >> {value}
    >> f(a, {value})
}}
"
        ),
    );
    becomes(
        &format!("define d() -> X {{ {value} >> {value} >> f(a, 1234567890) }}"),
        &format!("define d() -> X {{\n  {value} >> {value} >> f(a, 1234567890)\n}}\n"),
    );
    becomes(
        &format!("define d() -> X {{ minimize {value} + {value}- f({value}, 1) * 2 }}"),
        &format!(
            "\
define d() -> X {{
  minimize {value}
         + {value}
         - f({value}, 1) * 2
}}
"
        ),
    );
    becomes(
        &format!("define d() -> X {{ if {value} == {value} {{ {value} }} else {{ 1 }} }}"),
        &format!(
            "\
define d() -> X {{
  if {value} == {value} {{
    {value}
  }} else {{
    1
  }}
}}
"
        ),
    );
}

#[test]
fn a_break_behind_a_bracket_is_kept() {
    stays("define a() -> X { b(c: 1) }\n");
    stays("define a() -> X {\n  b(c: 1)\n}\n");
    stays("define a() -> X {\n  b(\n    c: 1,\n  )\n}\n");
    becomes(
        "pipeline p { evaluate e {\n a: 1, bc: 2 } evaluate f { a: 1,\n bc: 2\n} profile p {a.b: 1} }",
        "\
pipeline p {
  evaluate e {
    a:  1
    bc: 2
  }
  evaluate f { a: 1, bc: 2 }
  profile p { a.b: 1 }
}
",
    );
}

#[test]
fn bindings_stand_in_columns() {
    becomes(
        "pipeline p {\n  let a = 1\n  dataset data=x()\n\n  head  h = 1\n  pretrain q {}\n  head hh = 2\n}\n",
        "\
pipeline p {
  let     a    = 1
  dataset data = x()

  head h = 1
  pretrain q {}
  head hh = 2
}
",
    );
    becomes(
        "define d() -> X {\n  let a = 1\n  let bb = 2\n  given views a,b [ 2*x ] and label c\n  report ccc = 1\n  report d = a\n}\n",
        "\
define d() -> X {
  let a  = 1
  let bb = 2
  given views a, b[2 * x] and label c
  report ccc = 1
  report d   = a
}
",
    );
}

#[test]
fn expressions() {
    becomes(
        "define d() -> X { f ( a . b ,- c ) . e*( 1+2_0 ) /5e-4  epochs - 0% ..= 1%==\"a  // b\" }",
        "define d() -> X { f(a.b, -c).e * (1 + 2_0) / 5e-4 epochs - 0%..=1% == \"a  // b\" }\n",
    );
}

#[test]
fn comments_stay_where_they_are() {
    becomes(
        "pipeline p { // begin\n  let a = f(1, // one\n   // above\n   2 // two\n ) // behind\n  let bb = // value\n 2\n  let c = 3 // c\n  let dd = 4 // d\n // end\n} // after",
        "\
pipeline p {  // begin
  let a  = f(
    1,  // one
    // above
    2,  // two
  )  // behind
  let bb =  // value
    2
  let c  = 3  // c
  let dd = 4  // d
  // end
}  // after
",
    );
    // A column, where there are several in a row.
    stays("pipeline p {\n  let a = 1    // a\n  let b = 100  // b\n\n  let c = 1  // c\n}\n");
    stays("define d() -> X {\n  // only\n}\n");
    stays("extern a(  // only\n) -> X\n");
    becomes(
        "extern a(b: Int // b\n , // c\n) -> X",
        "extern a(\n  b: Int,  // b\n  // c\n) -> X\n",
    );
}

#[test]
fn items_with_errors_stay_as_they_are() {
    let wrong = "pipeline  p {\n\n\n   what is this?\n  let  a = 1 }";
    becomes(
        &format!("use  a\n{wrong}\ndefine  b()->X{{a}}"),
        &format!("use a\n\n{wrong}\n\ndefine b() -> X {{ a }}\n"),
    );
    let deep = format!("pipeline   p {{ let a = {} }}", "(".repeat(100));
    stays(&deep);
}
