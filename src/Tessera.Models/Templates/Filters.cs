using System.Collections.Frozen;

namespace Tessera.Models.Templates;

/// <summary>The table of filters.</summary>
internal static class Filters
{
    public static FrozenDictionary<string, Builtin> Table { get; } = TextFilters.All
        .Concat(NumberFilters.All)
        .Concat(SequenceFilters.All)
        .Concat(SelectionFilters.All)
        .ToFrozenDictionary(filter => filter.Name);
}
