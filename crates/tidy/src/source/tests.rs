use super::{Function, Source, without_comments_and_literals};

fn check_code(text: &str, expect: &str) {
    assert_eq!(without_comments_and_literals(text), expect, "{text}");
}

#[test]
fn comments_become_blanks() {
    check_code("a // b\nc", "a     \nc");
    check_code("a /* b /* c */ { */ d", "a                   d");
    check_code("a /* b\n c */ d", "a     \n      d");
    check_code("a / b", "a / b");
    check_code("//", "  ");
    check_code("/* open", "       ");
}

#[test]
fn literals_become_blanks() {
    check_code(r#"f("}", '}', '\'', '"');"#, "f(   ,    ,     ,    );");
    check_code(r##"f(r#"a"b"#, br"\", b'{');"##, "f(        , b    , b   );");
    check_code(r#"f("a\"b", "ü")"#, "f(      ,    )");
    check_code("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
    check_code("for x in r#type {}", "for x in r#type {}");
    check_code("\"open", "     ");
}

#[test]
fn functions_have_lengths() {
    let text = "fn a() {}\n\
                trait T {\n    fn bodiless(&self) -> [u8; 3];\n}\n\
                pub const fn b(f: fn(u8) -> u8, g: [u8; 2])\nwhere\n    A: B,\n{\n\
                \x20   fn c() {\n        \"}\";\n    }\n}\n";
    let function = |name: &str, line, lines| Function { name: name.to_owned(), line, lines };
    let expect = [function("a", 1, 1), function("b", 5, 8), function("c", 9, 3)];
    assert_eq!(Source::new(text).functions(), expect);
}

#[test]
fn tests_are_known() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
    let source = Source::new(text);
    let tests: Vec<_> = (1..=6).filter(|line| source.is_test(*line)).collect();
    assert_eq!(tests, [2, 3, 4, 5]);
    assert!(source.test_modules().is_empty());

    let source = Source::new("#[cfg(test)]\npub(crate) mod testing;\nfn a() {}\n");
    assert_eq!(source.test_modules(), ["testing"]);
    assert!(!source.is_test(3));
}

#[test]
fn words_are_whole() {
    let source = Source::new("unsafe_code\nunsafe { }\n\"unsafe\"\n#[unsafe(no_mangle)]\n");
    assert_eq!(source.lines_with_word("unsafe"), [2, 4]);
}
