namespace Tessera.Models.Templates;

/// <summary>
/// A template is malformed, raised an error by itself, or went beyond a limit. The message is one sentence: template, line, what.
/// </summary>
public sealed class TemplateException : FormatException
{
    /// <summary>An error of unknown place.</summary>
    public TemplateException()
    {
    }

    /// <summary>An error with its whole sentence.</summary>
    public TemplateException(string message)
        : base(message)
    {
    }

    /// <summary>An error with its whole sentence and cause.</summary>
    public TemplateException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>An error at a line of a template.</summary>
    public TemplateException(string template, int line, string problem)
        : base($"{template}: line {line}: {OneLine(problem)}")
    {
        Line = line;
        Problem = problem;
    }

    private const int LongestProblem = 600;

    /// <summary>The line of the source, from 1; 0 where it is unknown.</summary>
    public int Line { get; }

    /// <summary>What is wrong, without the place; for <c>raise_exception</c> the template's own words.</summary>
    public string Problem { get; } = string.Empty;

    // Words of the template stand in it, which may have any length and any characters.
    private static string OneLine(string problem)
    {
        string cut = problem.Length <= LongestProblem ? problem : problem[..LongestProblem] + "…";
        return string.Concat(cut.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? $"\\u{(int)c:X4}" : c.ToString()));
    }
}
