namespace Tessera.Models.Templates;

/// <summary>A node of a template's body.</summary>
/// <param name="Line">Its line in the source.</param>
internal abstract record Statement(int Line);

internal sealed record TextStatement(string Text, int Line) : Statement(Line);

internal sealed record PrintStatement(Expression Value, int Line) : Statement(Line);

internal sealed record IfStatement(IReadOnlyList<Branch> Branches, IReadOnlyList<Statement> Otherwise, int Line) : Statement(Line);

/// <summary>One condition of an <c>if</c> with its body.</summary>
internal sealed record Branch(Expression Condition, IReadOnlyList<Statement> Body);

internal sealed record ForStatement(
    Target Target, Expression Items, Expression? Condition, IReadOnlyList<Statement> Body, IReadOnlyList<Statement> Otherwise, bool IsRecursive,
    int Line) : Statement(Line);

internal sealed record SetStatement(Target Target, Expression Value, int Line) : Statement(Line);

/// <summary><c>{% set x | filter %}…{% endset %}</c>; the filter's innermost target is the body.</summary>
internal sealed record SetBlockStatement(Target Target, Expression? Filter, IReadOnlyList<Statement> Body, int Line) : Statement(Line);

internal sealed record MacroStatement(MacroDefinition Macro, int Line) : Statement(Line);

/// <summary><c>{% call(parameters) macro(arguments) %}…{% endcall %}</c>.</summary>
internal sealed record CallStatement(CallExpression Call, MacroDefinition Caller, int Line) : Statement(Line);

internal sealed record FilterStatement(Expression Filter, IReadOnlyList<Statement> Body, int Line) : Statement(Line);

internal sealed record WithStatement(
    IReadOnlyList<KeyValuePair<Target, Expression>> Values, IReadOnlyList<Statement> Body, int Line) : Statement(Line);

/// <summary><c>{% generation %}</c>: marks what a model has written.</summary>
internal sealed record GenerationStatement(IReadOnlyList<Statement> Body, int Line) : Statement(Line);

internal sealed record BreakStatement(int Line) : Statement(Line);

internal sealed record ContinueStatement(int Line) : Statement(Line);

/// <summary>A macro, or the body that a call block hands to one.</summary>
internal sealed record MacroDefinition(
    string Name, IReadOnlyList<KeyValuePair<string, Expression?>> Parameters, IReadOnlyList<Statement> Body)
{
    /// <summary>Whether the body reads <c>caller</c>.</summary>
    public bool UsesCaller { get; init; }

    /// <summary>Whether the body reads <c>varargs</c>.</summary>
    public bool UsesPositional { get; init; }

    /// <summary>Whether the body reads <c>kwargs</c>.</summary>
    public bool UsesNamed { get; init; }
}

/// <summary>What a value is assigned to.</summary>
internal abstract record Target;

internal sealed record NameTarget(string Name) : Target;

/// <summary>An attribute of a namespace.</summary>
internal sealed record AttributeTarget(string Name, string Attribute) : Target;

internal sealed record TupleTarget(IReadOnlyList<Target> Items) : Target;
