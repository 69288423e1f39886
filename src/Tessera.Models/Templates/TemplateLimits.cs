namespace Tessera.Models.Templates;

/// <summary>What a template may use up while it is read and rendered: a template is a program from a stranger.</summary>
/// <remarks>
/// The defaults leave room for conversations of a million characters and stop a hostile template within about a second
/// and half a gigabyte.
/// </remarks>
public sealed record TemplateLimits
{
    /// <summary>Most characters of a template's source.</summary>
    public int MaxSourceLength { get; init; } = 1 << 20;

    /// <summary>Most brackets, operators and blocks open inside each other in the source.</summary>
    public int MaxNesting { get; init; } = 150;

    /// <summary>Most evaluated nodes, visited elements and, in blocks of 32, copied or searched characters of one rendering.</summary>
    public long MaxSteps { get; init; } = 10_000_000;

    /// <summary>Most evaluations, macros, loops and levels of a value open inside each other.</summary>
    public int MaxDepth { get; init; } = 1000;

    /// <summary>Most characters of a rendered prompt.</summary>
    public int MaxOutputLength { get; init; } = 1 << 25;

    /// <summary>Most characters of a string, or elements of a list, that an expression may build.</summary>
    public int MaxValueLength { get; init; } = 1 << 23;

    /// <summary>Most characters of all values built in one rendering together; an element of a list counts as 16.</summary>
    public long MaxBuiltLength { get; init; } = 50_000_000;
}
