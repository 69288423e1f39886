using System.Runtime.CompilerServices;

namespace Tessera.Models.Templates;

/// <summary>What one rendering has used up, where it is, and its clock.</summary>
internal sealed class RenderState(string name, TemplateLimits limits, DateTime now)
{
    /// <summary>What an element of a list counts in characters.</summary>
    public const int ElementSize = 16;

    private const int CharactersOfStep = 32;
    private long _steps;
    private long _built;
    private int _depth;

    public TemplateLimits Limits { get; } = limits;

    public DateTime Now { get; } = now;

    /// <summary>The line of the node that is evaluated.</summary>
    public int Line { get; set; }

    public int Depth => _depth;

    /// <summary>The exception for a problem at the present line.</summary>
    public TemplateException Error(string problem) => new(name, Line, problem);

    /// <summary>Counts nodes evaluated or elements visited.</summary>
    public void Step(long count = 1)
    {
        _steps += count;
        if (_steps > Limits.MaxSteps)
        {
            throw Error($"the template takes more than {Limits.MaxSteps} steps");
        }
    }

    /// <summary>Counts characters that are searched or compared.</summary>
    public void Scan(long characters) => Step(1 + (characters / CharactersOfStep));

    /// <summary>Counts characters that are about to be built.</summary>
    public void Build(long characters)
    {
        Scan(characters);
        _built += characters;
        if (_built > Limits.MaxBuiltLength)
        {
            throw Error($"the template builds more than {Limits.MaxBuiltLength} characters of values");
        }
    }

    /// <summary>Counts a string that is about to be built, and refuses one that is too long.</summary>
    public void BuildText(long length)
    {
        RequireLength(length);
        Build(length);
    }

    /// <summary>Counts a list that is about to be built, and refuses one that is too long.</summary>
    public void BuildList(long count)
    {
        RequireLength(count);
        Build(count * ElementSize);
    }

    /// <summary>Refuses a string or list that is too long.</summary>
    public void RequireLength(long length)
    {
        if (length > Limits.MaxValueLength)
        {
            throw Error($"the template builds a value of {length} characters or elements, more than {Limits.MaxValueLength}");
        }
    }

    /// <summary>Goes a level deeper; <see cref="Leave"/> comes back. A failure ends the rendering, so it needs no way back.</summary>
    public void Enter()
    {
        if (++_depth > Limits.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw Error($"the template or a value nests more than {Math.Min(_depth, Limits.MaxDepth)} levels deep");
        }
    }

    public void Leave() => _depth--;
}
