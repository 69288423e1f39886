using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tessera.Models.Templates;

/// <content>Operators, from the loosest to the tightest.</content>
internal sealed partial class ExpressionParser
{
    private Expression ParseConditional()
    {
        int line = tokens.Line;
        Expression value = ParseOr();
        while (tokens.SkipName("if"))
        {
            Expression condition = ParseOr();
            Expression? otherwise = tokens.SkipName("else") ? Parse() : null;
            value = new ConditionalExpression(condition, value, otherwise, line);
        }

        return value;
    }

    private Expression ParseOr()
    {
        int line = tokens.Line;
        Expression left = ParseAnd();
        while (tokens.SkipName("or"))
        {
            left = new LogicalExpression(IsAnd: false, left, ParseAnd(), line);
        }

        return left;
    }

    private Expression ParseAnd()
    {
        int line = tokens.Line;
        Expression left = ParseNot();
        while (tokens.SkipName("and"))
        {
            left = new LogicalExpression(IsAnd: true, left, ParseNot(), line);
        }

        return left;
    }

    private Expression ParseNot()
    {
        int line = tokens.Line;
        if (!tokens.SkipName("not"))
        {
            return ParseComparison();
        }

        tokens.Enter();
        var expression = new NotExpression(ParseNot(), line);
        tokens.Leave();
        return expression;
    }

    private Expression ParseComparison()
    {
        int line = tokens.Line;
        Expression first = ParseSum();
        var rest = new List<KeyValuePair<string, Expression>>();
        while (ComparisonSign() is { } sign)
        {
            rest.Add(KeyValuePair.Create(sign, ParseSum()));
        }

        return rest.Count == 0 ? first : new ComparisonExpression(first, rest, line);
    }

    private string? ComparisonSign()
    {
        Token token = tokens.Current;
        if (token.Kind == TokenKind.Operator && token.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
        {
            return tokens.Next().Text;
        }

        if (tokens.SkipName("in"))
        {
            return "in";
        }

        if (token.IsName("not") && tokens.Following.IsName("in"))
        {
            tokens.Next();
            tokens.Next();
            return "not in";
        }

        return null;
    }

    private Expression ParseSum()
    {
        int line = tokens.Line;
        Expression left = ParseConcatenation();
        while (tokens.Current.IsOperator("+") || tokens.Current.IsOperator("-"))
        {
            left = new ArithmeticExpression(tokens.Next().Text, left, ParseConcatenation(), line);
        }

        return left;
    }

    private Expression ParseConcatenation()
    {
        int line = tokens.Line;
        Expression first = ParseProduct();
        if (!tokens.Current.IsOperator("~"))
        {
            return first;
        }

        var parts = new List<Expression> { first };
        while (tokens.SkipOperator("~"))
        {
            parts.Add(ParseProduct());
        }

        return new ConcatenationExpression(parts, line);
    }

    private Expression ParseProduct()
    {
        int line = tokens.Line;
        Expression left = ParsePower();
        while (tokens.Current is { Kind: TokenKind.Operator, Text: "*" or "/" or "//" or "%" })
        {
            left = new ArithmeticExpression(tokens.Next().Text, left, ParsePower(), line);
        }

        return left;
    }

    private Expression ParsePower()
    {
        int line = tokens.Line;
        Expression left = ParseSigned(withFilters: true);
        while (tokens.SkipOperator("**"))
        {
            left = new ArithmeticExpression("**", left, ParseSigned(withFilters: true), line);
        }

        return left;
    }

    private Expression ParseSigned(bool withFilters)
    {
        int line = tokens.Line;
        Expression value;
        if (tokens.Current.IsOperator("-") || tokens.Current.IsOperator("+"))
        {
            tokens.Enter();
            value = new SignExpression(tokens.Next().Text, ParseSigned(withFilters: false), line);
            tokens.Leave();
        }
        else
        {
            value = ParsePrimary();
        }

        value = ParsePostfix(value);
        return withFilters ? ParseFilters(value) : value;
    }
}
