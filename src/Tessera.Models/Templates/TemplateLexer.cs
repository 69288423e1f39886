using System.Text;

namespace Tessera.Models.Templates;

/// <summary>
/// Cuts a template into text and the tokens of its tags, with the whitespace rules of Jinja2 under <c>trim_blocks</c> and
/// <c>lstrip_blocks</c>: the newline behind a block or comment is dropped, and so is blank space between a line's start and a block
/// or comment; <c>-</c> strips all space on its side and <c>+</c> keeps it; one newline at the end of the source is dropped.
/// </summary>
/// <remarks>Every character is looked at a bounded number of times.</remarks>
internal sealed class TemplateLexer
{
    // Longest first.
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",",
        ";",
    ];

    private readonly string _source;
    private readonly string _name;
    private readonly bool _trimBlocks;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;
    private int _lineCountedTo;
    private bool _lineStarting = true;

    private TemplateLexer(string source, string name, bool trimBlocks)
    {
        _source = source;
        _name = name;
        _trimBlocks = trimBlocks;
    }

    /// <summary>The tokens of a source, with one of kind <see cref="TokenKind.End"/> behind them.</summary>
    /// <param name="source">The template.</param>
    /// <param name="name">Its name in errors.</param>
    /// <param name="trimBlocks">Whether <c>trim_blocks</c> and <c>lstrip_blocks</c> hold, as for every chat template.</param>
    public static List<Token> Read(string source, string name, bool trimBlocks = true)
    {
        string text = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        var lexer = new TemplateLexer(text.EndsWith('\n') ? text[..^1] : text, name, trimBlocks);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private void ReadAll()
    {
        while (_position < _source.Length)
        {
            int begin = NextTag(_position);
            if (begin < 0)
            {
                Add(TokenKind.Data, _source[_position..], _position);
                _position = _source.Length;
                break;
            }

            char kind = _source[begin + 1];
            AddData(_position, begin, canStripLine: kind != '{');
            _position = begin + 2 + (SignAt(begin + 2) == '\0' ? 0 : 1);
            if (kind == '#')
            {
                SkipComment(begin);
            }
            else if (kind == '%' && TryRawBegin())
            {
                ReadRaw(begin);
            }
            else
            {
                ReadTag(begin, kind == '%');
            }
        }

        Add(TokenKind.End, string.Empty, _source.Length);
    }

    private int NextTag(int from)
    {
        for (int at = from; ; at++)
        {
            at = _source.IndexOf('{', at);
            if (at < 0 || at + 1 >= _source.Length)
            {
                return -1;
            }

            if (_source[at + 1] is '{' or '%' or '#')
            {
                return at;
            }
        }
    }

    /// <summary>Adds the text in front of a tag; the tag's sign and the blank start of its line decide what is stripped.</summary>
    private void AddData(int from, int tag, bool canStripLine)
    {
        int end = tag;
        char sign = SignAt(tag + 2);
        if (sign == '-')
        {
            while (end > from && PythonText.IsSpace(_source[end - 1]))
            {
                end--;
            }
        }
        else if (sign != '+' && canStripLine && _trimBlocks)
        {
            int blank = tag;
            while (blank > from && _source[blank - 1] != '\n' && PythonText.IsSpace(_source[blank - 1]))
            {
                blank--;
            }

            bool startsLine = blank == from ? _lineStarting : _source[blank - 1] == '\n';
            end = startsLine ? blank : tag;
        }

        if (end > from)
        {
            Add(TokenKind.Data, _source[from..end], from);
        }
    }

    private char SignAt(int at) => at < _source.Length && _source[at] is '-' or '+' ? _source[at] : '\0';

    private void SkipComment(int begin)
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error(begin, "the comment is not closed by '#}'");
        }

        // A sign belongs to the end only if the comment's begin has not used it.
        char sign = end > _position && _source[end - 1] is '-' or '+' ? _source[end - 1] : '\0';
        Close(end + 2, sign, trims: true);
    }

    /// <summary>Moves behind a tag whose end is at <paramref name="end"/>.</summary>
    private void Close(int end, char sign, bool trims)
    {
        _position = end;
        if (sign == '-')
        {
            SkipSpace();
        }
        else if (sign != '+' && trims && _trimBlocks && end < _source.Length && _source[end] == '\n')
        {
            _position++;
        }

        _lineStarting = _source[_position - 1] == '\n';
    }

    private void SkipSpace()
    {
        while (_position < _source.Length && PythonText.IsSpace(_source[_position]))
        {
            _position++;
        }
    }

    private bool TryRawBegin()
    {
        int start = _position;
        SkipSpace();
        if (string.CompareOrdinal(_source, _position, "raw", 0, 3) == 0)
        {
            _position += 3;
            SkipSpace();
            if (At("%}"))
            {
                Close(_position + 2, '\0', trims: false);
                return true;
            }

            if (At("-%}"))
            {
                Close(_position + 3, '-', trims: false);
                return true;
            }
        }

        _position = start;
        return false;
    }

    private void ReadRaw(int begin)
    {
        int from = _position;
        for (int tag = from; (tag = _source.IndexOf("{%", tag, StringComparison.Ordinal)) >= 0; tag += 2)
        {
            _position = tag + 2 + (SignAt(tag + 2) == '\0' ? 0 : 1);
            SkipSpace();
            if (string.CompareOrdinal(_source, _position, "endraw", 0, 6) != 0)
            {
                continue;
            }

            _position += 6;
            SkipSpace();
            char sign = SignAt(_position);
            if (At("%}") || (sign != '\0' && string.CompareOrdinal(_source, _position + 1, "%}", 0, 2) == 0))
            {
                int end = _position + (sign == '\0' ? 2 : 3);
                AddData(from, tag, canStripLine: true);
                Close(end, sign, trims: true);
                return;
            }
        }

        throw Error(begin, "the raw block is not closed by '{% endraw %}'");
    }

    private bool At(string text) => string.CompareOrdinal(_source, _position, text, 0, text.Length) == 0;

    private void ReadTag(int begin, bool isBlock)
    {
        Add(isBlock ? TokenKind.BlockBegin : TokenKind.PrintBegin, string.Empty, begin);
        var brackets = new Stack<char>();
        while (true)
        {
            SkipSpace();
            if (_position >= _source.Length)
            {
                throw Error(begin, $"the tag is not closed by '{(isBlock ? "%}" : "}}")}'");
            }

            if (brackets.Count == 0 && TryTagEnd(isBlock))
            {
                return;
            }

            ReadToken(brackets);
        }
    }

    private bool TryTagEnd(bool isBlock)
    {
        string end = isBlock ? "%}" : "}}";
        char sign = SignAt(_position) is var found && (found == '-' || (isBlock && found == '+')) ? found : '\0';
        int at = _position + (sign == '\0' ? 0 : 1);
        if (string.CompareOrdinal(_source, at, end, 0, 2) != 0)
        {
            return false;
        }

        Add(isBlock ? TokenKind.BlockEnd : TokenKind.PrintEnd, string.Empty, _position);
        Close(at + 2, sign, trims: isBlock);
        return true;
    }

    private void ReadToken(Stack<char> brackets)
    {
        char first = _source[_position];
        if (char.IsAsciiDigit(first))
        {
            bool afterDot = _position > 0 && _source[_position - 1] == '.';
            var number = NumberLiteral.Read(_source, _position, canBeFloat: !afterDot);
            Add(number.IsFloat ? TokenKind.Float : TokenKind.Integer, number.Digits, _position);
            _position = number.End;
        }
        else if (first == '_' || char.IsLetter(first))
        {
            int start = _position;
            while (_position < _source.Length && (_source[_position] == '_' || char.IsLetterOrDigit(_source[_position])))
            {
                _position++;
            }

            Add(TokenKind.Name, _source[start.._position], start);
        }
        else if (first is '\'' or '"')
        {
            ReadString(first);
        }
        else
        {
            ReadOperator(brackets);
        }
    }

    private void ReadString(char quote)
    {
        int start = _position++;
        while (_position < _source.Length && _source[_position] != quote)
        {
            _position += _source[_position] == '\\' ? 2 : 1;
        }

        if (_position >= _source.Length)
        {
            throw Error(start, "the string is not closed");
        }

        string text = StringEscapes.Decode(_source.AsSpan(start + 1, _position - start - 1))
            ?? throw Error(start, "the string holds an escape that is not valid");
        Add(TokenKind.String, text, start);
        _position++;
    }

    private void ReadOperator(Stack<char> brackets)
    {
        string text = Array.Find(Operators, At) ?? throw Error(_position, $"unexpected character {Shown(_source[_position])}");
        switch (text)
        {
            case "(":
                brackets.Push(')');
                break;
            case "[":
                brackets.Push(']');
                break;
            case "{":
                brackets.Push('}');
                break;
            case ")" or "]" or "}" when brackets.Count == 0:
                throw Error(_position, $"unexpected '{text}'");
            case ")" or "]" or "}" when brackets.Pop() is var expected && expected != text[0]:
                throw Error(_position, $"unexpected '{text}', expected '{expected}'");
        }

        Add(TokenKind.Operator, text, _position);
        _position += text.Length;
    }

    private static string Shown(char c) => char.IsControl(c) || char.IsSurrogate(c) ? $"U+{(int)c:X4}" : $"'{c}'";

    private void Add(TokenKind kind, string text, int at) => _tokens.Add(new Token(kind, text, LineOf(at)));

    private int LineOf(int at)
    {
        if (at > _lineCountedTo)
        {
            _line += _source.AsSpan(_lineCountedTo, at - _lineCountedTo).Count('\n');
            _lineCountedTo = at;
        }

        return _line;
    }

    private TemplateException Error(int at, string problem)
    {
        // Behind the last token counted, or in front of it where an opening tag is named.
        int line = at >= _lineCountedTo ? LineOf(at) : 1 + _source.AsSpan(0, at).Count('\n');
        return new TemplateException(_name, line, problem);
    }
}
