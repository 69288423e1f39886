namespace Tessera.Models.Templates;

/// <summary>Reads the statements of a template.</summary>
internal sealed class TemplateParser
{
    private readonly TokenReader _tokens;
    private readonly ExpressionParser _expressions;
    private int _loops;

    private TemplateParser(TokenReader tokens)
    {
        _tokens = tokens;
        _expressions = new ExpressionParser(tokens);
    }

    /// <summary>The body of a template.</summary>
    /// <exception cref="TemplateException">It is malformed or goes beyond a limit.</exception>
    public static IReadOnlyList<Statement> Parse(string source, string name, TemplateLimits limits, bool trimBlocks = true)
    {
        if (source.Length > limits.MaxSourceLength)
        {
            throw new TemplateException($"{name}: the template has {source.Length} characters, expected at most {limits.MaxSourceLength}");
        }

        var tokens = new TokenReader(TemplateLexer.Read(source, name, trimBlocks), name, limits.MaxNesting);
        var body = new TemplateParser(tokens).ParseBody(opened: null);
        return body;
    }

    /// <summary>Statements up to one of the end words, whose tag is left open behind the word's place, or to the end of the source.</summary>
    private List<Statement> ParseBody(string? opened, params ReadOnlySpan<string> ends)
    {
        _tokens.Enter();
        var body = new List<Statement>();
        while (true)
        {
            Token token = _tokens.Current;
            switch (token.Kind)
            {
                case TokenKind.End when opened is null:
                    _tokens.Leave();
                    return body;
                case TokenKind.End:
                    throw _tokens.Error($"'{opened}' is not closed; expected '{ends[^1]}'");
                case TokenKind.Data:
                    body.Add(new TextStatement(_tokens.Next().Text, token.Line));
                    break;
                case TokenKind.PrintBegin:
                    _tokens.Next();
                    body.Add(new PrintStatement(_expressions.ParseTuple(), token.Line));
                    _tokens.Expect(TokenKind.PrintEnd, "}}");
                    break;
                default:
                    _tokens.Next();
                    if (_tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Text))
                    {
                        _tokens.Leave();
                        return body;
                    }

                    body.Add(ParseStatement());
                    break;
            }
        }
    }

    private void CloseTag() => _tokens.Expect(TokenKind.BlockEnd, "%}");

    /// <summary>The rest of an opening tag's body with its end tag.</summary>
    private List<Statement> ParseBlock(string opened, string end)
    {
        CloseTag();
        var body = ParseBody(opened, end);
        _tokens.ExpectName(end);
        CloseTag();
        return body;
    }

    private Statement ParseStatement()
    {
        int line = _tokens.Line;
        string tag = _tokens.ExpectIdentifier();
        switch (tag)
        {
            case "if":
                return ParseIf(line);
            case "for":
                return ParseFor(line);
            case "set":
                return ParseSet(line);
            case "macro":
                return ParseMacro(line);
            case "call":
                return ParseCall(line);
            case "filter":
                Expression filter = _expressions.ParseFilters(null, startsInline: true);
                return new FilterStatement(filter, Isolated(() => ParseBlock(tag, "endfilter")), line);
            case "with":
                return ParseWith(line);
            case "generation":
                return new GenerationStatement(Isolated(() => ParseBlock(tag, "endgeneration")), line);
            case "print":
                var printed = new PrintStatement(_expressions.ParseTuple(), line);
                CloseTag();
                return printed;
            case "break" or "continue" when _loops == 0:
                throw _tokens.Error($"'{tag}' stands outside of a loop");
            case "break" or "continue":
                CloseTag();
                return tag == "break" ? new BreakStatement(line) : new ContinueStatement(line);
            default:
                throw _tokens.Error($"unknown tag '{(tag.Length <= 40 ? tag : tag[..40] + "…")}'");
        }
    }

    /// <summary>A body that a loop around it cannot be left from.</summary>
    private T Isolated<T>(Func<T> parse)
    {
        int loops = _loops;
        _loops = 0;
        T result = parse();
        _loops = loops;
        return result;
    }

    private IfStatement ParseIf(int line)
    {
        var branches = new List<Branch>();
        List<Statement> otherwise = [];
        do
        {
            Expression condition = _expressions.ParseTuple(withConditional: false);
            CloseTag();
            branches.Add(new Branch(condition, ParseBody("if", "elif", "else", "endif")));
        }
        while (_tokens.SkipName("elif"));
        if (_tokens.SkipName("else"))
        {
            CloseTag();
            otherwise = ParseBody("if", "endif");
        }

        _tokens.ExpectName("endif");
        CloseTag();
        return new IfStatement(branches, otherwise, line);
    }

    private ForStatement ParseFor(int line)
    {
        Target target = ParseTargets(acceptsAttributes: false);
        _tokens.ExpectName("in");
        Expression items = _expressions.ParseTuple(withConditional: false);
        Expression? condition = _tokens.SkipName("if") ? _expressions.Parse() : null;
        bool recursive = _tokens.SkipName("recursive");
        CloseTag();
        _loops++;
        var body = ParseBody("for", "else", "endfor");
        _loops--;
        List<Statement> otherwise = [];
        if (_tokens.SkipName("else"))
        {
            CloseTag();
            otherwise = ParseBody("for", "endfor");
        }

        _tokens.ExpectName("endfor");
        CloseTag();
        return new ForStatement(target, items, condition, body, otherwise, recursive, line);
    }

    private Statement ParseSet(int line)
    {
        Target target = ParseTargets(acceptsAttributes: true);
        if (_tokens.SkipOperator("="))
        {
            Expression value = _expressions.ParseTuple();
            CloseTag();
            return new SetStatement(target, value, line);
        }

        Expression? filter = _tokens.SkipOperator("|") ? _expressions.ParseFilters(null, startsInline: true) : null;
        return new SetBlockStatement(target, filter, Isolated(() => ParseBlock("set", "endset")), line);
    }

    /// <summary>One target, or several with commas between them.</summary>
    private Target ParseTargets(bool acceptsAttributes)
    {
        Target first = ParseTarget(acceptsAttributes);
        if (!_tokens.Current.IsOperator(","))
        {
            return first;
        }

        var targets = new List<Target> { first };
        while (_tokens.SkipOperator(",") && (_tokens.Current.Kind == TokenKind.Name || _tokens.Current.IsOperator("("))
            && !(!acceptsAttributes && _tokens.Current.IsName("in")))
        {
            targets.Add(ParseTarget(acceptsAttributes));
        }

        return new TupleTarget(targets);
    }

    private Target ParseTarget(bool acceptsAttributes)
    {
        if (_tokens.SkipOperator("("))
        {
            _tokens.Enter();
            Target inner = ParseTargets(acceptsAttributes);
            _tokens.ExpectOperator(")");
            _tokens.Leave();
            return inner;
        }

        string name = _tokens.ExpectIdentifier();
        if (acceptsAttributes && _tokens.SkipOperator("."))
        {
            return new AttributeTarget(name, _tokens.ExpectIdentifier());
        }

        return name is "true" or "false" or "none" or "True" or "False" or "None"
            ? throw _tokens.Error($"'{name}' cannot be assigned to")
            : new NameTarget(name);
    }

    private MacroStatement ParseMacro(int line)
    {
        string name = _tokens.ExpectIdentifier();
        return new MacroStatement(ParseMacro(name, ParseParameters(), "macro", "endmacro"), line);
    }

    private CallStatement ParseCall(int line)
    {
        var parameters = _tokens.Current.IsOperator("(") ? ParseParameters() : [];
        var call = _expressions.Parse() as CallExpression ?? throw _tokens.Error("'call' is not followed by a call");
        return new CallStatement(call, ParseMacro("caller", parameters, "call", "endcall"), line);
    }

    private MacroDefinition ParseMacro(string name, IReadOnlyList<KeyValuePair<string, Expression?>> parameters, string opened, string end)
    {
        var read = new HashSet<string>();
        _expressions.NamesRead.Add(read);
        var body = Isolated(() => ParseBlock(opened, end));
        _expressions.NamesRead.Remove(read);
        return new MacroDefinition(name, parameters, body)
        {
            UsesCaller = read.Contains("caller"),
            UsesPositional = read.Contains("varargs"),
            UsesNamed = read.Contains("kwargs"),
        };
    }

    private List<KeyValuePair<string, Expression?>> ParseParameters()
    {
        _tokens.ExpectOperator("(");
        var parameters = new List<KeyValuePair<string, Expression?>>();
        while (!_tokens.SkipOperator(")"))
        {
            if (parameters.Count > 0)
            {
                _tokens.ExpectOperator(",");
            }

            string name = _tokens.ExpectIdentifier();
            Expression? otherwise = _tokens.SkipOperator("=") ? _expressions.Parse() : null;
            if (otherwise is null && parameters.Count > 0 && parameters[^1].Value is not null)
            {
                throw _tokens.Error($"the parameter '{name}' without default follows one with a default");
            }

            parameters.Add(KeyValuePair.Create(name, otherwise));
        }

        return parameters;
    }

    private WithStatement ParseWith(int line)
    {
        var values = new List<KeyValuePair<Target, Expression>>();
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0)
            {
                _tokens.ExpectOperator(",");
            }

            Target target = ParseTarget(acceptsAttributes: false);
            _tokens.ExpectOperator("=");
            values.Add(KeyValuePair.Create(target, _expressions.Parse()));
        }

        return new WithStatement(values, ParseBlock("with", "endwith"), line);
    }
}
