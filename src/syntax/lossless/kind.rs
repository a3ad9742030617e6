//! What the nodes and tokens of the language are.

/// What a node is. Those that are tokens are leaves; all others hold what they are made of.
///
/// A rule of the grammar that only passes on what it holds, as a sum of one operand does, has no
/// node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyntaxKind {
    /// All of a text.
    Root,

    // Items, with their documentation.
    Use,
    /// `.{a, b}`
    UseGroup,
    Define,
    Extern,
    Pipeline,

    // Signatures.
    Parameters,
    Parameter,
    /// `> 0`, `in 0..=1`
    Bound,
    /// What a kind of stage yields.
    Outputs,
    /// `small | imagenet`
    Choices,
    NamedType,
    /// `Image[3, h, w] -> Feature[512]`
    FunctionType,
    /// `..s`
    Rest,

    // Bodies of defines, and their statements.
    Body,
    /// Also a member of a pipeline.
    Let,
    Given,
    /// `a[2]`, as many views.
    Several,
    Minimize,
    Report,
    Export,
    Result,

    // Bodies of pipelines, and their members.
    Stages,
    Value,
    Stage,
    Fields,
    Field,
    Profile,
    Settings,
    Setting,

    // Expressions. Names, numbers, texts and booleans are tokens.
    Pipe,
    Same,
    Range,
    Sum,
    Product,
    Negate,
    /// A value and what is asked of it: [`SyntaxKind::Arguments`] and [`SyntaxKind::Access`], as in `a.b(c).d`.
    Chain,
    Access,
    Arguments,
    Argument,
    Parentheses,
    Conditional,
    Branch,
    /// A number with its unit.
    Quantity,

    /// Names with dots between them, of which an import may have one in front.
    Path,

    // Tokens.
    /// Blanks and line breaks.
    Whitespace,
    /// `// ...`, without the white space at its end.
    Comment,
    /// `//! ...`
    ModuleDoc,
    /// `/// ...`
    Doc,
    /// Text that fits no rule.
    Error,
    Keyword,
    Name,
    TypeName,
    Number,
    /// `epochs`, `%`
    Unit,
    /// With its quotes.
    Text,
    Boolean,
    /// Operators, brackets and what parts things.
    Punctuation,
}

impl SyntaxKind {
    /// Each at the place of its number.
    pub const ALL: &[SyntaxKind] = &[
        SyntaxKind::Root,
        SyntaxKind::Use,
        SyntaxKind::UseGroup,
        SyntaxKind::Define,
        SyntaxKind::Extern,
        SyntaxKind::Pipeline,
        SyntaxKind::Parameters,
        SyntaxKind::Parameter,
        SyntaxKind::Bound,
        SyntaxKind::Outputs,
        SyntaxKind::Choices,
        SyntaxKind::NamedType,
        SyntaxKind::FunctionType,
        SyntaxKind::Rest,
        SyntaxKind::Body,
        SyntaxKind::Let,
        SyntaxKind::Given,
        SyntaxKind::Several,
        SyntaxKind::Minimize,
        SyntaxKind::Report,
        SyntaxKind::Export,
        SyntaxKind::Result,
        SyntaxKind::Stages,
        SyntaxKind::Value,
        SyntaxKind::Stage,
        SyntaxKind::Fields,
        SyntaxKind::Field,
        SyntaxKind::Profile,
        SyntaxKind::Settings,
        SyntaxKind::Setting,
        SyntaxKind::Pipe,
        SyntaxKind::Same,
        SyntaxKind::Range,
        SyntaxKind::Sum,
        SyntaxKind::Product,
        SyntaxKind::Negate,
        SyntaxKind::Chain,
        SyntaxKind::Access,
        SyntaxKind::Arguments,
        SyntaxKind::Argument,
        SyntaxKind::Parentheses,
        SyntaxKind::Conditional,
        SyntaxKind::Branch,
        SyntaxKind::Quantity,
        SyntaxKind::Path,
        SyntaxKind::Whitespace,
        SyntaxKind::Comment,
        SyntaxKind::ModuleDoc,
        SyntaxKind::Doc,
        SyntaxKind::Error,
        SyntaxKind::Keyword,
        SyntaxKind::Name,
        SyntaxKind::TypeName,
        SyntaxKind::Number,
        SyntaxKind::Unit,
        SyntaxKind::Text,
        SyntaxKind::Boolean,
        SyntaxKind::Punctuation,
    ];

    /// Whether it is a leaf.
    pub fn is_token(self) -> bool {
        use SyntaxKind::*;
        self.is_trivia()
            || matches!(self, ModuleDoc | Doc | Error | Keyword | Name | TypeName | Number)
            || matches!(self, Unit | Text | Boolean | Punctuation)
    }

    /// Whether it stands for nothing in the program.
    pub fn is_trivia(self) -> bool {
        matches!(self, SyntaxKind::Whitespace | SyntaxKind::Comment)
    }
}
