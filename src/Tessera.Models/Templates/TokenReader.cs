using System.Runtime.CompilerServices;

namespace Tessera.Models.Templates;

/// <summary>A walk along tokens, with a bound on how deep the grammar may nest.</summary>
internal sealed class TokenReader(List<Token> tokens, string name, int maxNesting)
{
    private int _position;
    private int _nesting;

    public Token Current => tokens[_position];

    public Token Following => tokens[Math.Min(_position + 1, tokens.Count - 1)];

    public int Line => Current.Line;

    public Token Next()
    {
        Token token = tokens[_position];
        _position = Math.Min(_position + 1, tokens.Count - 1);
        return token;
    }

    public bool SkipOperator(string text)
    {
        bool found = Current.IsOperator(text);
        _position += found ? 1 : 0;
        return found;
    }

    public bool SkipName(string text)
    {
        bool found = Current.IsName(text);
        _position += found ? 1 : 0;
        return found;
    }

    public void ExpectOperator(string text)
    {
        if (!SkipOperator(text))
        {
            throw Error($"found {Current.Show()}, expected '{text}'");
        }
    }

    public void ExpectName(string text)
    {
        if (!SkipName(text))
        {
            throw Error($"found {Current.Show()}, expected '{text}'");
        }
    }

    public string ExpectIdentifier() =>
        Current.Kind == TokenKind.Name ? Next().Text : throw Error($"found {Current.Show()}, expected a name");

    public void Expect(TokenKind kind, string shown)
    {
        if (Current.Kind != kind)
        {
            throw Error($"found {Current.Show()}, expected '{shown}'");
        }

        Next();
    }

    public TemplateException Error(string problem) => new(name, Line, problem);

    /// <summary>Goes a level deeper; <see cref="Leave"/> comes back.</summary>
    public void Enter()
    {
        if (++_nesting > maxNesting || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw Error($"the source nests more than {Math.Min(_nesting, maxNesting)} levels deep");
        }
    }

    public void Leave() => _nesting--;
}
