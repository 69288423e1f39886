using System.Text;
using System.Text.Json;
using Tessera.Cli.Data;
using Tessera.Cli.Data.Blends;
using Tessera.Cli.Recipes;
using Tessera.Models.Checkpoints;
using Tessera.Training;
using Tessera.Training.Data;

namespace Tessera.Cli.Tests.Data;

public sealed class BlendTests(TinyModel files) : IDisposable
{
    private static readonly string[] Short =
    [
        "--batch-tokens", "256", "--max-length", "48", "--warmup", "2", "--validation-tokens", "256", "--threads", "2", "--dtype", "f32",
    ];

    private readonly CorpusFolder _folder = new();

    [Fact]
    public void Training_on_shards_text_and_problems_tells_epochs_and_keeps_its_position()
    {
        string[] arguments = ["train", files.Plain, "--data", Blend(), .. Short, "--steps", "12", "--validate-every", "6", "--out", _folder.At("run")];
        var whole = CliRun.Good(arguments);
        string used = Assert.Single(whole.Error.Split('\n'), line => line.StartsWith("data: ", StringComparison.Ordinal));
        Assert.Matches(@"^data: web [\d,]+ tokens \([\d.]+ %\) of [\d,]+ documents, [\d.]+ epochs; prose .* epochs; sums .* never repeated$", used);
        Assert.Contains("validation cross-entropy", whole.Error);
        string checkpoint = Encoding.Latin1.GetString(File.ReadAllBytes(_folder.At("run/checkpoint.safetensors")));
        Assert.Matches("\"tessera.data_position\":\"1;\\d+,\\d+,\\d+;\\d+,\\d+,\\d+;\\d+,\\d+,\\d+\"", checkpoint);

        // The same again is done already; other contents under the same names are another run.
        byte[] model = File.ReadAllBytes(_folder.At("run/model.safetensors"));
        CliRun.Good(arguments);
        Assert.Equal(model, File.ReadAllBytes(_folder.At("run/model.safetensors")));
        File.AppendAllText(_folder.At("prose.txt"), "<|endoftext|>one more document");
        CliRun.Refused(arguments, "checkpoint.safetensors", "other settings");
    }

    [Fact]
    public void No_held_out_document_is_trained_on_and_every_source_gives_its_share_of_validation()
    {
        Blend();
        string blend = _folder.Write("both.yaml", "sources:\n  web: {shards: web}\n  prose: {text: prose.txt}\n");
        var model = ModelFolder.ReadConfiguration(files.Plain);
        using var open = new OpenBlend(BlendPlan.Of(blend), model, files.Tokenizer, 48);
        var training = open.Training(3);
        string Text(ReadOnlySpan<int> ids) => string.Join(',', ids.ToArray());
        var trained = new HashSet<string>(Enumerable.Range(0, 2500).Select(i => Text(training.Get(i).Ids)));
        Assert.True(training.Uses[0].Epochs > 1 && training.Uses[1].Epochs > 1, "every source was passed as a whole");
        var held = open.HeldOut(512, 4096);
        int compared = 0;
        foreach (var batch in held)
        {
            int start = 0;
            foreach (int length in batch.Lengths)
            {
                // The last piece of a document may be a word that others end with as well.
                if (length > 12)
                {
                    Assert.DoesNotContain(Text(batch.Ids.AsSpan(start, length)), trained);
                    compared++;
                }

                start += length;
            }
        }

        Assert.True(compared > 20, $"{compared} pieces");
    }

    [Fact]
    public void A_folder_of_shards_alone_is_trained_distilled_and_compressed_on()
    {
        Blend();
        string shards = _folder.At("web");
        CliRun.Good(["train", files.Plain, "--data", shards, .. Short, "--steps", "3", "--out", _folder.At("trained")]);
        CliRun.Good(["distill", files.Plain, "--teacher", files.Plain, "--data", shards, .. Short, "--steps", "3", "--out", _folder.At("distilled")]);
        string[] compress =
        [
            "compress", files.Plain, "--target", "parameters<=90%", "--input-length", "8", "--output-length", "4", "--rounds", "1", "--scoring-tokens", "256", "--batch-tokens", "256", "--max-length", "48", "--block-steps", "1", "--heal-steps", "2", "--heal-batch-tokens", "256",
            "--problems", "0", "--threads", "2",
        ];
        CliRun.Good([.. compress, "--calibration-tokens", "512", "--data", shards, "--out", _folder.At("compressed")]);
        Assert.True(File.Exists(_folder.At("compressed/child/model.safetensors")));
        CliRun.Refused([.. compress, "--data", shards, "--calibration-tokens", "1000000", "--out", _folder.At("more")], "source 'web' has too few documents");
        CliRun.Refused([.. compress, "--data", shards, "--tasks", "all", "--out", _folder.At("more")], "give either");
        CliRun.Refused(["train", files.Plain, "--data", shards, "--tasks", "add", "--out", _folder.At("more")], "give either");
        CliRun.Refused(["train", files.Plain, "--out", _folder.At("more")], "--data BLEND");
        CliRun.Refused(["train", files.Plain, "--data", _folder.At("in"), "--out", _folder.At("more")], "shards.json is missing");
    }

    [Fact]
    public void Shards_of_another_vocabulary_are_refused_before_anything_is_trained()
    {
        string text = _folder.Write("a.jsonl", CorpusFolder.Rows(CorpusFolder.Texts(60, 1)));
        CliRun.Good("tokenizer", "train", "--problems", "60", "--vocab-size", "270", "--out", _folder.At("other"));
        CliRun.Good("data", "tokenize", text, "--tokenizer", _folder.At("other"), "--out", _folder.At("shards"));
        CliRun.Refused(["train", files.Plain, "--data", _folder.At("shards"), .. Short, "--steps", "2", "--out", _folder.At("run")], "shards: tokenizer", "tokenize again");
        Assert.False(File.Exists(_folder.At("run/checkpoint.safetensors")));

        // The right words, another begin token; nothing held out.
        CliRun.Good("data", "tokenize", text, "--tokenizer", files.At("tokenizer"), "--begin", "</s>", "--out", _folder.At("begun"));
        CliRun.Refused(["train", files.Plain, "--data", _folder.At("begun"), .. Short, "--steps", "2", "--out", _folder.At("run")], "begin is");
        CliRun.Good("data", "tokenize", text, "--tokenizer", files.At("tokenizer"), "--validation-share", "0", "--out", _folder.At("all"));
        CliRun.Refused(["train", files.Plain, "--data", _folder.At("all"), .. Short, "--steps", "2", "--out", _folder.At("run")], "nothing is held out", "--validation-tokens 0");
        CliRun.Good("data", "tokenize", text, "--tokenizer", files.At("tokenizer"), "--validation-share", "1", "--out", _folder.At("none"));
        CliRun.Refused(["train", files.Plain, "--data", _folder.At("none"), .. Short, "--steps", "2", "--out", _folder.At("run")], "no document is left to train on");
    }

    [Fact]
    public void The_verb_tells_shares_and_epochs_of_every_phase()
    {
        string blend = Blend();
        string[] arguments = ["data", "blend", blend, "--model", files.Plain, "--tokens", "60K", "--max-length", "48"];
        var json = CliRun.Good([.. arguments, "--json"]).Json();
        var phases = json.GetProperty("phases").EnumerateArray().ToList();
        Assert.Equal(2, phases.Count);
        double[] Shares(JsonElement phase)
        {
            var tokens = phase.GetProperty("sources").EnumerateArray().Select(source => source.GetProperty("tokens").GetDouble()).ToArray();
            return [.. tokens.Select(count => count / tokens.Sum())];
        }

        // Within a document of 48 tokens.
        foreach (var (phase, shares) in phases.Zip((double[][])[[0.5, 0.25, 0.25], [0, 0.5, 0.5]]))
        {
            double documents = 48 / phase.GetProperty("sources").EnumerateArray().Sum(source => source.GetProperty("tokens").GetDouble());
            Assert.All(Shares(phase).Zip(shares), share => Assert.InRange(share.First, share.Second - documents, share.Second + documents));
        }

        Assert.Equal(0, Shares(phases[1])[0]);
        Assert.InRange(phases[0].GetProperty("sources").EnumerateArray().Sum(source => source.GetProperty("tokens").GetInt64()), 1500, 1548);
        Assert.Equal(json.GetProperty("tokens").GetInt64(), json.GetProperty("sources").EnumerateArray().Sum(source => source.GetProperty("tokens").GetInt64()));
        string text = CliRun.Good([.. arguments, "--show", "2"]).Output;
        Assert.Matches(@"document 1 \(\d+ tokens\): ""<s>", text);
        Assert.Matches(@"phase 2\nsource +documents +tokens +share +epochs\nweb +0 +0 +0.00 % +0.000\n", text);
    }

    [Theory]
    [InlineData("", "the file is empty, expected a blend")]
    [InlineData("sources: {}", "line 1", "expected 1 to 1000")]
    [InlineData("sources: [a]", "expected a mapping")]
    [InlineData("phases: []", "needs the key 'sources'")]
    [InlineData("sources: {a: {tasks: all}}\nseed: 3", "line 2", "no key 'seed'")]
    [InlineData("sources: {a: {tasks: all, text: b.txt}}", "source 'a'", "exactly one of shards, text and tasks")]
    [InlineData("sources: {a: {weight: 2}}", "exactly one of shards, text and tasks")]
    [InlineData("sources: {a: {text: b.txt, levels: 1}}", "levels go with tasks")]
    [InlineData("sources: {a: {tasks: all, weight: -1}}", "'-1' is not a weight")]
    [InlineData("sources: {a: {tasks: all, weight: nan}}", "'nan' is not a weight")]
    [InlineData("sources: {a: {tasks: all, weight: 0}}", "every weight is 0")]
    [InlineData("sources: {a: {tasks: all}}\nphases: []", "expected 1 to 1000")]
    [InlineData("sources: {a: {tasks: all}}\nphases: [{until: 1M}]", "the last phase has no end")]
    [InlineData("sources: {a: {tasks: all}}\nphases: [{weights: {a: 1}}, {}]", "phase 1", "until is missing")]
    [InlineData("sources: {a: {tasks: all}}\nphases: [{until: 1M}, {until: 500K}, {}]", "phase 2", "expected tokens beyond 1000000")]
    [InlineData("sources: {a: {tasks: all}}\nphases: [{until: soon}, {}]", "line 2: phase 1, until: 'soon'")]
    [InlineData("sources: {a: {tasks: all}}\nphases: [{weights: {b: 1}}]", "no source 'b'")]
    [InlineData("sources: {a: {tasks: all}}\nphases: [{weights: {a: 0}}]", "every weight is 0")]
    [InlineData("sources: &x {a: {tasks: all}}", "not allowed in a blend")]
    public void Blend_files_that_make_no_sense_are_refused_by_line(string content, params string[] parts)
    {
        string path = _folder.Write("bad.yaml", content);
        CliRun.Refused(["data", "blend", path, "--model", files.Plain], ["bad.yaml", .. parts]);
    }

    [Fact]
    public void Missing_files_of_a_blend_are_named_with_their_source()
    {
        string path = _folder.Write("bad.yaml", "sources: {books: {text: none.txt}}");
        CliRun.Refused(["data", "blend", path, "--model", files.Plain], "none.txt: no such file");
        Assert.Contains("source 'books'", Assert.Throws<InvalidDataException>(() => BlendPlan.Of(path).Hash()).Message, StringComparison.Ordinal);
        path = _folder.Write("bad.yaml", "sources: {web: {shards: none}}");
        CliRun.Refused(["data", "blend", path, "--model", files.Plain], "none: no folder of token shards");
    }

    [Fact]
    public void A_recipe_knows_a_blend_by_what_its_sources_hold()
    {
        string blend = Blend();
        string First() => new RecipePaths(_folder.At("recipe.yaml")).Hash(blend);
        string before = First();
        Assert.Equal(before, First());
        File.AppendAllText(_folder.At("prose.txt"), "x");
        Assert.NotEqual(before, First());
    }

    [Fact]
    public void A_recipe_tokenises_and_trains_on_what_came_out_once()
    {
        _folder.Mixed();
        string recipe = _folder.Write("recipe.yaml", $$"""
            name: data
            stages:
              - {name: tokens, run: data tokenize, arguments: "{{_folder.At("in")}}", options: {tokenizer: "{{files.At("tokenizer")}}", validation-share: 0.1} }
              - name: base
                run: train
                arguments: {{files.Plain}}
                options: {data: "${stages.tokens}", steps: 2, batch-tokens: 256, max-length: 48, warmup: 0, validation-tokens: 256, threads: 2}
            """);
        CliRun.Good("run", recipe, "--out", _folder.At("runs"));
        string model = Directory.GetFiles(_folder.At("runs"), "model.safetensors", SearchOption.AllDirectories).Single();
        var written = File.GetLastWriteTimeUtc(model);
        CliRun.Good("run", recipe, "--out", _folder.At("runs"));
        Assert.Equal(written, File.GetLastWriteTimeUtc(model));
    }

    [Theory]
    [InlineData("constant", ScheduleShape.Constant, null)]
    [InlineData("cosine", ScheduleShape.Cosine, null)]
    [InlineData("linear", ScheduleShape.Linear, null)]
    [InlineData("wsd", ScheduleShape.Wsd, null)]
    [InlineData("WSD", ScheduleShape.Wsd, "0.5")]
    public void Train_and_distill_follow_every_schedule(string name, ScheduleShape shape, string? decay)
    {
        string[] schedule = ["--schedule", name, "--lr", "1e-3", "--lr-floor", "0.1", "--steps", "30", "--tasks", "add", .. Short, .. decay is null ? (string[])[] : ["--decay", decay]];
        foreach (string[] verb in (string[][])[["train", files.Plain], ["distill", files.Plain, "--teacher", files.Plain]])
        {
            string output = _folder.At($"{verb[0]}-{name}");
            CliRun.Good([.. verb, .. schedule, "--out", output]);
            var rows = File.ReadLines(Path.Combine(output, "metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)
                .Where(row => row.TryGetProperty("learning_rate", out _)).ToList();
            Assert.Equal([10, 20, 30], rows.Select(row => row.GetProperty("step").GetInt32()));
            var expected = new LearningRateSchedule(shape, 1e-3, 1e-4, 2, 30) { DecayShare = decay is null ? 0.2 : 0.5 };
            Assert.All(rows, row => Assert.Equal(expected.At(row.GetProperty("step").GetInt32() - 1), row.GetProperty("learning_rate").GetDouble(), 1e-9));
        }

        CliRun.Refused(["train", files.Plain, "--tasks", "add", "--schedule", "sawtooth", "--out", _folder.At("x")], "--schedule sawtooth");
        CliRun.Refused(["train", files.Plain, "--tasks", "add", "--schedule", "cosine", "--decay", "0.3", "--out", _folder.At("x")], "only --schedule wsd");
        CliRun.Refused(["train", files.Plain, "--tasks", "add", "--schedule", "wsd", "--decay", "1.3", "--out", _folder.At("x")], "--decay 1.3");
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A blend of shards, text and problems in two phases, with its files.</summary>
    private string Blend()
    {
        _folder.Mixed();
        CliRun.Good("data", "tokenize", _folder.At("in"), "--tokenizer", files.At("tokenizer"), "--validation-share", "0.1", "--shard-tokens", "2K", "--out", _folder.At("web"));
        _folder.Write("prose.txt", string.Join("<|endoftext|>", CorpusFolder.Texts(80, 9)));
        return _folder.Write("blend.yaml", """
            # half from the web at first, none of it later
            sources:
              web: {shards: web, weight: 2}
              prose: {text: [prose.txt]}
              sums: {tasks: "add,compare", levels: "1,2"}
            phases:
              - {until: 1500}
              - {weights: {web: 0}}
            """);
    }
}
