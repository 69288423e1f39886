using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tessera.Models.Templates;

/// <summary>
/// Reads expressions. From loosest to tightest: <c>if else</c>, <c>or</c>, <c>and</c>, <c>not</c>, comparisons, <c>+ -</c>, <c>~</c>,
/// <c>* / // %</c>, <c>**</c>, signs, then filters and tests, then attributes, indices and calls.
/// </summary>
internal sealed class ExpressionParser(TokenReader tokens)
{
    /// <summary>The names read since a collection was opened; macros learn from them what their body uses.</summary>
    public List<HashSet<string>> NamesRead { get; } = [];

    public Expression Parse(bool withConditional = true)
    {
        tokens.Enter();
        Expression expression = withConditional ? ParseConditional() : ParseOr();
        tokens.Leave();
        return expression;
    }

    /// <summary>One expression, or several with commas between them as a tuple.</summary>
    /// <param name="withConditional">False in front of a loop's <c>if</c>.</param>
    /// <param name="inBrackets">Whether <c>)</c> ends it and nothing is an empty tuple.</param>
    public Expression ParseTuple(bool withConditional = true, bool inBrackets = false)
    {
        int line = tokens.Line;
        var items = new List<Expression>();
        bool isTuple = false;
        while (!EndsTuple())
        {
            items.Add(Parse(withConditional));
            if (!tokens.SkipOperator(","))
            {
                break;
            }

            isTuple = true;
        }

        if (!isTuple && items.Count == 0 && !inBrackets)
        {
            throw tokens.Error($"found {tokens.Current.Show()}, expected an expression");
        }

        return isTuple || items.Count == 0 ? new ListExpression(items, IsTuple: true, line) : items[0];
    }

    public CallArguments ParseArguments()
    {
        tokens.ExpectOperator("(");
        var positional = new List<Expression>();
        var named = new List<KeyValuePair<string, Expression>>();
        Expression? spread = null, namedSpread = null;
        while (!tokens.SkipOperator(")"))
        {
            if (positional.Count + named.Count > 0 || spread is not null || namedSpread is not null)
            {
                tokens.ExpectOperator(",");
                if (tokens.SkipOperator(")"))
                {
                    break;
                }
            }

            if (namedSpread is null && tokens.SkipOperator("**"))
            {
                namedSpread = Parse();
            }
            else if (spread is null && namedSpread is null && tokens.SkipOperator("*"))
            {
                spread = Parse();
            }
            else if (namedSpread is null && tokens.Current.Kind == TokenKind.Name && tokens.Following.IsOperator("="))
            {
                string name = tokens.Next().Text;
                tokens.Next();
                named.Add(KeyValuePair.Create(name, Parse()));
            }
            else if (named.Count == 0 && spread is null && namedSpread is null)
            {
                positional.Add(Parse());
            }
            else
            {
                throw tokens.Error("an argument stands behind one that must be the last of its kind");
            }
        }

        return new CallArguments(positional, named, spread, namedSpread);
    }

    /// <summary>Filters and tests behind a value; a filter block begins with one that has no value.</summary>
    public Expression ParseFilters(Expression? value, bool startsInline = false)
    {
        while (startsInline || tokens.Current.IsOperator("|") || tokens.Current.IsName("is") || tokens.Current.IsOperator("("))
        {
            int line = tokens.Line;
            if (startsInline || tokens.SkipOperator("|"))
            {
                startsInline = false;
                string name = DottedName();
                value = new FilterExpression(value, name, ArgumentsIfAny(), line);
            }
            else if (tokens.Current.IsOperator("("))
            {
                value = new CallExpression(value!, ParseArguments(), line);
            }
            else
            {
                value = ParseTest(value!);
            }
        }

        return value!;
    }

    private static bool IsStart(Token token) => token.Kind is TokenKind.Name or TokenKind.String or TokenKind.Integer or TokenKind.Float
        || token.IsOperator("(") || token.IsOperator("[") || token.IsOperator("{");

    private bool EndsTuple() => tokens.Current.Kind is TokenKind.BlockEnd or TokenKind.PrintEnd || tokens.Current.IsOperator(")")
        || tokens.Current.IsName("recursive");

    private CallArguments ArgumentsIfAny() => tokens.Current.IsOperator("(") ? ParseArguments() : CallArguments.None;

    private string DottedName()
    {
        var name = new StringBuilder(tokens.ExpectIdentifier());
        while (tokens.SkipOperator("."))
        {
            name.Append('.').Append(tokens.ExpectIdentifier());
        }

        return name.ToString();
    }

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

    private Expression ParsePrimary()
    {
        Token token = tokens.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                tokens.Next();
                return Named(token);
            case TokenKind.String:
                var text = new StringBuilder();
                while (tokens.Current.Kind == TokenKind.String)
                {
                    text.Append(tokens.Next().Text);
                }

                return new LiteralExpression(Value.Of(text.ToString()), token.Line);
            case TokenKind.Integer:
                tokens.Next();
                return new LiteralExpression(Value.Of(Integer(token.Text)), token.Line);
            case TokenKind.Float:
                tokens.Next();
                return new LiteralExpression(Value.Of(double.Parse(token.Text, NumberStyles.Float, CultureInfo.InvariantCulture)), token.Line);
            case TokenKind.Operator when token.Text == "(":
                tokens.Next();
                Expression inner = ParseTuple(inBrackets: true);
                tokens.ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return ParseList();
            case TokenKind.Operator when token.Text == "{":
                return ParseDictionary();
            default:
                throw tokens.Error($"found {token.Show()}, expected an expression");
        }
    }

    private Expression Named(Token token)
    {
        switch (token.Text)
        {
            case "true" or "True":
                return new LiteralExpression(BooleanValue.True, token.Line);
            case "false" or "False":
                return new LiteralExpression(BooleanValue.False, token.Line);
            case "none" or "None":
                return new LiteralExpression(NoneValue.Instance, token.Line);
            default:
                NamesRead.ForEach(names => names.Add(token.Text));
                return new NameExpression(token.Text, token.Line);
        }
    }

    private BigInteger Integer(string digits)
    {
        const int Longest = 4300;
        if (digits.Length > Longest)
        {
            throw tokens.Error($"an integer has {digits.Length} digits, more than {Longest}");
        }

        return digits.Length > 1 && digits[0] == '0' && char.IsAsciiLetter(digits[1])
            ? char.ToLowerInvariant(digits[1]) switch
            {
                'x' => BigInteger.Parse("0" + digits[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
                'b' => digits[2..].Aggregate(BigInteger.Zero, (sum, digit) => (sum * 2) + (digit - '0')),
                _ => digits[2..].Aggregate(BigInteger.Zero, (sum, digit) => (sum * 8) + (digit - '0')),
            }
            : BigInteger.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
    }

    private ListExpression ParseList()
    {
        int line = tokens.Line;
        tokens.ExpectOperator("[");
        var items = new List<Expression>();
        while (!tokens.Current.IsOperator("]"))
        {
            items.Add(Parse());
            if (!tokens.SkipOperator(","))
            {
                break;
            }
        }

        tokens.ExpectOperator("]");
        return new ListExpression(items, IsTuple: false, line);
    }

    private DictionaryExpression ParseDictionary()
    {
        int line = tokens.Line;
        tokens.ExpectOperator("{");
        var items = new List<KeyValuePair<Expression, Expression>>();
        while (!tokens.Current.IsOperator("}"))
        {
            Expression key = Parse();
            tokens.ExpectOperator(":");
            items.Add(KeyValuePair.Create(key, Parse()));
            if (!tokens.SkipOperator(","))
            {
                break;
            }
        }

        tokens.ExpectOperator("}");
        return new DictionaryExpression(items, line);
    }

    private Expression ParsePostfix(Expression value)
    {
        while (true)
        {
            int line = tokens.Line;
            if (tokens.Current.IsOperator("("))
            {
                value = new CallExpression(value, ParseArguments(), line);
            }
            else if (tokens.SkipOperator("."))
            {
                value = tokens.Current.Kind == TokenKind.Integer
                    ? new ItemExpression(value, new LiteralExpression(Value.Of(Integer(tokens.Next().Text)), line), line)
                    : new AttributeExpression(value, tokens.ExpectIdentifier(), line);
            }
            else if (tokens.SkipOperator("["))
            {
                value = ParseSubscript(value, line);
            }
            else
            {
                return value;
            }
        }
    }

    private Expression ParseSubscript(Expression target, int line)
    {
        Expression? start = tokens.Current.IsOperator(":") ? null : Parse();
        if (start is not null && tokens.SkipOperator("]"))
        {
            return new ItemExpression(target, start, line);
        }

        tokens.ExpectOperator(":");
        Expression? stop = EndsPart() ? null : Parse();
        Expression? step = tokens.SkipOperator(":") && !EndsPart() ? Parse() : null;
        tokens.ExpectOperator("]");
        return new SliceExpression(target, start, stop, step, line);

        bool EndsPart() => tokens.Current.IsOperator(":") || tokens.Current.IsOperator("]");
    }

    private Expression ParseTest(Expression value)
    {
        int line = tokens.Line;
        tokens.ExpectName("is");
        bool negated = tokens.SkipName("not");
        string name = DottedName();
        CallArguments arguments = CallArguments.None;
        if (tokens.Current.IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (IsStart(tokens.Current) && !(tokens.Current.IsName("else") || tokens.Current.IsName("or") || tokens.Current.IsName("and")))
        {
            if (tokens.Current.IsName("is"))
            {
                throw tokens.Error("tests cannot be chained with 'is'");
            }

            arguments = new CallArguments([ParsePostfix(ParsePrimary())], [], null, null);
        }

        Expression test = new TestExpression(value, name, arguments, line);
        return negated ? new NotExpression(test, line) : test;
    }
}
