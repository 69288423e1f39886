using System.Text.Json.Nodes;

namespace Tessera.Models.Templates;

/// <summary>
/// A chat template: a program in the part of Jinja2 that chat templates use, run in a sandbox. Immutable and safe for any number of
/// threads.
/// </summary>
/// <remarks>
/// It renders what Python's Jinja2 renders under <c>ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)</c> with loop
/// controls, the <c>generation</c> tag, <c>json.dumps</c> as <c>tojson</c>, <c>raise_exception</c> and <c>strftime_now</c>.
/// </remarks>
public sealed class ChatTemplate
{
    private readonly IReadOnlyList<Statement> _body;
    private readonly TemplateLimits _limits;

    private ChatTemplate(IReadOnlyList<Statement> body, string source, string name, TemplateLimits limits)
    {
        _body = body;
        _limits = limits;
        Source = source;
        Name = name;
    }

    /// <summary>The name that errors begin with.</summary>
    public string Name { get; }

    /// <summary>The template as it was written.</summary>
    public string Source { get; }

    /// <summary>Reads a template.</summary>
    /// <param name="source">The template.</param>
    /// <param name="name">What errors call it, such as its file.</param>
    /// <param name="limits">What it may use up; null for the defaults.</param>
    /// <exception cref="TemplateException">The template is malformed; the message names template and line.</exception>
    public static ChatTemplate Parse(string source, string name, TemplateLimits? limits = null) =>
        Parse(source, name, limits, trimBlocks: true);

    /// <summary>Reads a template that need not be one of a chat.</summary>
    /// <inheritdoc cref="Parse(string, string, TemplateLimits?)" path="/param" />
    /// <param name="source">The template.</param>
    /// <param name="name">What errors call it, such as its file.</param>
    /// <param name="limits">What it may use up; null for the defaults.</param>
    /// <param name="trimBlocks">
    /// True for the whitespace rules of chat templates (<c>trim_blocks</c> and <c>lstrip_blocks</c>), false for Jinja2's own default.
    /// </param>
    /// <exception cref="TemplateException">The template is malformed; the message names template and line.</exception>
    public static ChatTemplate Parse(string source, string name, TemplateLimits? limits, bool trimBlocks)
    {
        limits ??= new TemplateLimits();
        return new ChatTemplate(TemplateParser.Parse(source, name, limits, trimBlocks), source, name, limits);
    }

    /// <summary>Renders the template.</summary>
    /// <param name="variables">What it may read: <c>messages</c>, <c>tools</c>, <c>bos_token</c> and any other. Nothing is changed.</param>
    /// <param name="now">What <c>strftime_now</c> sees; null for the local time.</param>
    /// <exception cref="TemplateException">The template raised an error, used a value wrongly, or went beyond a limit.</exception>
    public string Render(JsonObject variables, DateTime? now = null) => Run(variables, now).Text;

    /// <summary>Renders the template and says what its <c>{% generation %}</c> blocks wrote: the text that a model is trained to give.</summary>
    /// <inheritdoc cref="Render" path="/param" />
    /// <param name="variables">What it may read.</param>
    /// <param name="now">What <c>strftime_now</c> sees; null for the local time.</param>
    /// <returns>
    /// The text, and start and length of each block's output in characters (UTF-16 units) of it. Blocks inside of macros and captured
    /// bodies are not listed, since their text may go anywhere.
    /// </returns>
    /// <exception cref="TemplateException">As for <see cref="Render"/>.</exception>
    public (string Text, IReadOnlyList<(int Start, int Length)> Spans) RenderWithGenerationSpans(JsonObject variables, DateTime? now = null)
    {
        var (text, evaluator) = Run(variables, now);
        return (text, evaluator.GenerationSpans);
    }

    private (string Text, Evaluator Evaluator) Run(JsonObject variables, DateTime? now)
    {
        var evaluator = new Evaluator(new RenderState(Name, _limits, now ?? DateTime.Now));
        return (evaluator.Render(_body, JsonValues.Of(variables, evaluator.State)), evaluator);
    }
}
