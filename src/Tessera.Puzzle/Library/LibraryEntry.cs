using System.Text.Json.Serialization;

namespace Tessera.Puzzle.Library;

/// <summary>Where the weights of a half of the library are.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<StoredAs>))]
public enum StoredAs
{
    /// <summary>In a file of their own: distillation changed them.</summary>
    [JsonStringEnumMemberName("file")]
    File,

    /// <summary>Nowhere: the parent's channels that contribute most, in the order that is stored once a layer.</summary>
    [JsonStringEnumMemberName("channels of the parent")]
    Channels,

    /// <summary>Nowhere: pooled or multiplied from the parent's matrices.</summary>
    [JsonStringEnumMemberName("made from the parent")]
    Parent,
}

/// <summary>One line of a library's index.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Half">Name of the half, for instance <c>ffn-ffn128</c>.</param>
/// <param name="Stored">Where its weights are.</param>
/// <param name="File">Their file below the library's folder, if they have one.</param>
/// <param name="Before">Normalised error of the initial weights.</param>
/// <param name="After">Normalised error of the weights that stand.</param>
/// <param name="Steps">Steps trained.</param>
public sealed record LibraryEntry(int Layer, string Half, StoredAs Stored, string? File, double Before, double After, int Steps);
