using System.Text.Json;

namespace Tessera.Cli.Tests;

public sealed class PerplexityTests(TinyModel files)
{
    [Fact]
    public void Every_token_but_the_begin_token_is_scored_as_the_logits_say()
    {
        const string First = "Q:12+7\nA:19", Second = "17 apples, ä";
        string text = files.Write("text.jsonl", JsonSerializer.Serialize(new { text = First }) + "\n" + JsonSerializer.Serialize(new { text = Second }) + "\n");

        var json = CliRun.Good("perplexity", files.Mixed, "--text", text, "--json", "--threads", "1").Json();

        double nats = 0;
        int tokens = 0;
        foreach (string document in new[] { First, Second })
        {
            int[] ids = [files.Begin, .. files.Tokenizer.Encode(document, addSpecialTokens: false)];
            nats += Nats(files.Mixed, ids, 0);
            tokens += ids.Length - 1;
        }

        Assert.Equal(tokens, json.GetProperty("tokens").GetInt64());
        Assert.Equal(nats, json.GetProperty("nats").GetDouble(), 1e-5 * nats);
        Assert.Equal(Math.Exp(nats / tokens), Value(json, "perplexity"), 1e-4 * Math.Exp(nats / tokens));
        // 11 + 12 characters, of which ä takes a second byte.
        Assert.Equal(nats / 24 / Math.Log(2), Value(json, "bits_per_byte"), 1e-4);
        Assert.Equal(nats / 23, Value(json, "nats_per_character"), 1e-4);
        Assert.InRange(json.GetProperty("bits_per_byte").GetProperty("low").GetDouble(), 0, Value(json, "bits_per_byte"));
    }

    [Theory]
    [InlineData(20, 20)]
    [InlineData(20, 7)]
    [InlineData(20, 1)]
    [InlineData(49, 49)]
    [InlineData(50, 3)]
    public void Windows_score_every_token_once_with_the_context_that_their_overlap_gives(int window, int stride)
    {
        int[] ids = [.. Enumerable.Range(0, 50).Select(i => i * 37 % files.Tokenizer.VocabularySize)];
        string file = files.Write("window.jsonl", JsonSerializer.Serialize(ids));

        var json = CliRun.Good(
            "perplexity", files.Plain, "--ids", file, "--max-length", $"{window}", "--stride", $"{stride}", "--json", "--threads", "1").Json();

        double expected = 0;
        int scored = 0;
        for (int start = 0; scored < 49; start += stride)
        {
            int end = Math.Min(start + window, 49);
            expected += Nats(files.Plain, ids[start..(end + 1)], scored - start);
            scored = end;
        }

        Assert.Equal(49, json.GetProperty("tokens").GetInt64());
        Assert.Equal(expected, json.GetProperty("nats").GetDouble(), 1e-5 * expected);
        Assert.Equal(JsonValueKind.Null, json.GetProperty("bits_per_byte").ValueKind);
    }

    [Fact]
    public void Many_documents_in_several_steps_keep_their_order()
    {
        int[][] documents = [.. Enumerable.Range(0, 130).Select(d => Enumerable.Range(0, 2 + (d * 31 % 90)).Select(i => (d + (i * 5)) % 250).ToArray())];
        string all = files.Write("all.jsonl", string.Join('\n', documents.Select(ids => JsonSerializer.Serialize(ids))));
        string one = files.Write("one.jsonl", JsonSerializer.Serialize(documents[77]));

        var together = CliRun.Good("perplexity", files.Plain, "--ids", all, "--per-document", "--json").Json().GetProperty("per_document");
        var alone = CliRun.Good("perplexity", files.Plain, "--ids", one, "--json").Json();

        Assert.Equal(documents.Select(ids => ids.Length - 1L), together.EnumerateArray().Select(document => document.GetProperty("tokens").GetInt64()));
        Assert.Equal(alone.GetProperty("nats").GetDouble(), together[77].GetProperty("nats").GetDouble(), 1e-4);
    }

    [Fact]
    public void TinyStories_scores_its_stories_as_the_reference_says()
    {
        string folder = TestSupport.SharedData.Require("models", "tinystories-656k");
        var expected = Expected(Path.Combine(folder, "TinyStories-656K_expected.json"));
        string text = files.Write("stories.jsonl", string.Concat(expected.Select(story => JsonSerializer.Serialize(new { text = story.GetProperty("text").GetString() }) + "\n")));

        AssertStories(expected, CliRun.Good("perplexity", folder, "--text", text, "--per-document", "--json").Json());
    }

    [Fact]
    public void Stories260K_scores_its_stories_by_ids_as_the_reference_says()
    {
        string folder = TestSupport.SharedData.Require("models", "stories260K");
        var expected = Expected(Path.Combine(folder, "stories260K_expected.json"));
        string ids = files.Write("stories-ids.jsonl", string.Concat(expected.Select(story => JsonSerializer.Serialize(story.GetProperty("ids")) + "\n")));

        AssertStories(expected, CliRun.Good("perplexity", Path.Combine(folder, "hf"), "--ids", ids, "--per-document", "--json").Json());
    }

    [Fact]
    public void Bad_sizes_files_and_choices_are_refused()
    {
        string ids = files.Write("few.jsonl", "[1,2,3]");
        string bad = files.Write("bad-list.jsonl", "[1,2]\n[3,100000]");
        string text = files.Write("some.txt", "some");
        CliRun.Refused(["perplexity", files.Plain], "--text", "--ids");
        CliRun.Refused(["perplexity", files.Plain, "--ids", ids, "--text", text], "--text", "--ids");
        CliRun.Refused(["perplexity", files.Plain, "--ids", bad], bad, "list 2, element 1");
        CliRun.Refused(["perplexity", files.Plain, "--ids", files.Write("single.jsonl", "[1]")], "single.jsonl", "no document");
        CliRun.Refused(["perplexity", files.Plain, "--ids", ids, "--max-length", "97"], "--max-length 97", "96");
        CliRun.Refused(["perplexity", files.Plain, "--ids", ids, "--max-length", "8", "--stride", "9"], "--stride 9", "8");
        CliRun.Refused(["perplexity", files.Plain, "--text", files.At("none.txt")], "none.txt");
        CliRun.Refused(["perplexity", files.Plain, "--ids", ids, "--dtype", "f16"], "f16");
    }

    private static double Value(JsonElement json, string name) => json.GetProperty(name).GetProperty("value").GetDouble();

    private static List<JsonElement> Expected(string path) =>
        [.. JsonDocument.Parse(File.ReadAllText(path)).RootElement.GetProperty("perplexity").EnumerateArray()];

    private static void AssertStories(List<JsonElement> expected, JsonElement json)
    {
        var found = json.GetProperty("per_document").EnumerateArray().ToList();
        Assert.Equal(expected.Count, found.Count);
        foreach (var (reference, story) in expected.Zip(found))
        {
            Assert.Equal(reference.GetProperty("n_tokens").GetInt32() - 1, story.GetProperty("tokens").GetInt32());
            double nats = reference.GetProperty("sum_nll").GetDouble(), perplexity = reference.GetProperty("ppl").GetDouble();
            Assert.Equal(nats, story.GetProperty("nats").GetDouble(), 1e-4 * nats);
            Assert.Equal(perplexity, story.GetProperty("perplexity").GetDouble(), 1e-4 * perplexity);
        }
    }

    private double Nats(string model, int[] ids, int skip)
    {
        float[][] rows = Logits.Of(files, model, ids[..^1]);
        double sum = 0;
        for (int i = skip; i < rows.Length; i++)
        {
            sum += Logits.NegativeLogLikelihood(rows[i], ids[i + 1]);
        }

        return sum;
    }
}
