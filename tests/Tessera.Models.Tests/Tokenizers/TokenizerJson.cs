using System.Text.Json;
using Tessera.Models.Tokenizers;

namespace Tessera.Models.Tests.Tokenizers;

/// <summary>A small tokenizer.json put together from raw JSON parts.</summary>
internal sealed record TokenizerJson
{
    public string AddedTokens { get; init; } = "[]";

    public string Normalizer { get; init; } = "null";

    public string PreTokenizer { get; init; } = "null";

    public string PostProcessor { get; init; } = "null";

    public string Decoder { get; init; } = """{"type": "Fuse"}""";

    public string Model { get; init; } = """{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}""";

    /// <summary>A model of single characters without merges, with ids in order.</summary>
    public static string Characters(string characters, string more = "")
    {
        var vocabulary = characters.Distinct().Select((c, id) => (c, id)).ToDictionary(pair => pair.c.ToString(), pair => pair.id);
        return $$"""{"type": "BPE", "vocab": {{JsonSerializer.Serialize(vocabulary)}}, "merges": []{{more}}}""";
    }

    public static string Added(int id, string content, string more = "") =>
        $$"""{"id": {{id}}, "content": {{JsonSerializer.Serialize(content)}}{{more}}}""";

    public Tokenizer Load()
    {
        using var folder = new ScratchFolder();
        return Tokenizer.Load(folder.Write("tokenizer.json", ToString()));
    }

    public override string ToString() => $$"""
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": {{AddedTokens}}, "normalizer": {{Normalizer}},
         "pre_tokenizer": {{PreTokenizer}}, "post_processor": {{PostProcessor}}, "decoder": {{Decoder}}, "model": {{Model}}}
        """;
}
