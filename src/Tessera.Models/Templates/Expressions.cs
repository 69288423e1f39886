namespace Tessera.Models.Templates;

/// <summary>A node of an expression.</summary>
/// <param name="Line">Its line in the source.</param>
internal abstract record Expression(int Line);

internal sealed record LiteralExpression(Value Value, int Line) : Expression(Line);

internal sealed record NameExpression(string Name, int Line) : Expression(Line);

internal sealed record ListExpression(IReadOnlyList<Expression> Items, bool IsTuple, int Line) : Expression(Line);

internal sealed record DictionaryExpression(IReadOnlyList<KeyValuePair<Expression, Expression>> Items, int Line) : Expression(Line);

/// <summary><c>-x</c>, <c>+x</c>.</summary>
internal sealed record SignExpression(string Sign, Expression Operand, int Line) : Expression(Line);

internal sealed record NotExpression(Expression Operand, int Line) : Expression(Line);

/// <summary><c>and</c>, <c>or</c>: the value of the operand that decides.</summary>
internal sealed record LogicalExpression(bool IsAnd, Expression Left, Expression Right, int Line) : Expression(Line);

/// <summary><c>+ - * / // % **</c>.</summary>
internal sealed record ArithmeticExpression(string Sign, Expression Left, Expression Right, int Line) : Expression(Line);

/// <summary><c>a ~ b ~ c</c>: what they print, joined.</summary>
internal sealed record ConcatenationExpression(IReadOnlyList<Expression> Parts, int Line) : Expression(Line);

/// <summary><c>a &lt; b &lt;= c</c>, also <c>in</c> and <c>not in</c>.</summary>
internal sealed record ComparisonExpression(Expression First, IReadOnlyList<KeyValuePair<string, Expression>> Rest, int Line) : Expression(Line);

/// <summary><c>then if condition else otherwise</c>.</summary>
internal sealed record ConditionalExpression(Expression Condition, Expression Then, Expression? Otherwise, int Line) : Expression(Line);

/// <summary><c>target.name</c>.</summary>
internal sealed record AttributeExpression(Expression Target, string Name, int Line) : Expression(Line);

/// <summary><c>target[index]</c>.</summary>
internal sealed record ItemExpression(Expression Target, Expression Index, int Line) : Expression(Line);

/// <summary><c>target[start:stop:step]</c>.</summary>
internal sealed record SliceExpression(Expression Target, Expression? Start, Expression? Stop, Expression? Step, int Line) : Expression(Line);

internal sealed record CallExpression(Expression Target, CallArguments Arguments, int Line) : Expression(Line);

/// <summary><c>target | name(arguments)</c>; no target inside of a filter block.</summary>
internal sealed record FilterExpression(Expression? Target, string Name, CallArguments Arguments, int Line) : Expression(Line);

/// <summary><c>target is name(arguments)</c>.</summary>
internal sealed record TestExpression(Expression Target, string Name, CallArguments Arguments, int Line) : Expression(Line);

/// <summary>The arguments of a call as written.</summary>
internal sealed record CallArguments(
    IReadOnlyList<Expression> Positional, IReadOnlyList<KeyValuePair<string, Expression>> Named, Expression? Spread, Expression? NamedSpread)
{
    public static readonly CallArguments None = new([], [], null, null);
}
