using Tessera.Models.Safetensors;

namespace Tessera.Cli.Tests;

public sealed class ModelCardTests(TinyModel files)
{
    [Fact]
    public void A_child_and_what_is_exported_from_it_say_where_they_come_from()
    {
        string run = files.At("carded"), child = Path.Combine(run, "child");
        CliRun.Good(
            "compress", files.Plain, "--target", "parameters<=80%", "--tasks", "all", "--threads", "1", "--batch", "2", "--input-length", "8", "--output-length", "4",
            "--calibration-tokens", "128", "--scoring-tokens", "128", "--batch-tokens", "128", "--max-length", "96", "--block-steps", "0", "--heal-steps", "0",
            "--heal-batch-tokens", "128", "--problems", "3", "--rounds", "1", "--out", run);
        string card = File.ReadAllText(Path.Combine(child, "README.md"));
        foreach (string part in (string[])
        [
            "# license: to be chosen", "to be chosen by whoever publishes", "## Provenance", "parent's hash", "data's hash", "## Limits", "`parameters<=80%`",
            "## Scores", "predicted, sum over layers", "as written, held-out data", "of 3.", "## Speed", "batch 2, 8 in / 4 out", "measured one by one", "## Blocks",
        ])
        {
            Assert.Contains(part, card, StringComparison.Ordinal);
        }

        Assert.Matches(@"\| parent's hash \| [0-9a-f]{32,} \|", card);
        Assert.Matches(@"\| data's hash \| [0-9a-f]{32,} \|", card);
        Assert.Matches(@"\| this model \| [0-9.E+-]+ \| [0-9.E+-]+ \| [0-9.,]+ \| [0-9.E+-]+ \|", card);

        // The exported folder has the same figures, the user's licence, and the run's strings in its weights.
        string folder = files.At("carded-hf"), file = files.At("carded.gguf");
        CliRun.Good("export", child, "--out", folder, "--license", "llama3.1");
        string exported = File.ReadAllText(Path.Combine(folder, "README.md"));
        Assert.StartsWith("---\nlicense: llama3.1\n", exported, StringComparison.Ordinal);
        Assert.Equal(Section(card, "## Scores"), Section(exported, "## Scores"));
        Assert.Equal(Section(card, "## Blocks"), Section(exported, "## Blocks"));
        Assert.Contains($"written by Tessera from `{child}`", exported, StringComparison.Ordinal);
        using (var weights = SafetensorsCheckpoint.Open(folder))
        {
            Assert.Equal("parameters<=80%", weights.Files[0].Metadata["tessera.targets"]);
        }

        CliRun.Good("export", child, "--format", "gguf", "--out", file);
        Assert.Contains("A GGUF file", File.ReadAllText(files.At("carded.md")), StringComparison.Ordinal);

        // Far from its run a copy still carries the card that came with it.
        string again = files.At("carded-again");
        CliRun.Good("export", folder, "--out", again);
        string copied = File.ReadAllText(Path.Combine(again, "README.md"));
        Assert.Contains("## The card of the model it was written from", copied, StringComparison.Ordinal);
        Assert.Contains("> ## Scores", copied, StringComparison.Ordinal);
    }

    [Fact]
    public void A_persons_own_page_stays_and_a_model_without_a_run_says_what_it_is()
    {
        string folder = files.At("own-page");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "README.md"), "mine");
        CliRun.Good("export", files.Mixed, "--out", folder);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(folder, "README.md")));

        string plain = files.At("plain-page");
        CliRun.Good("export", files.Mixed, "--format", "llama", "--out", plain);
        string card = File.ReadAllText(Path.Combine(plain, "README.md"));
        Assert.Contains("| 0–3 | kv4 | ffn64 |", card, StringComparison.Ordinal);
        Assert.DoesNotContain("## Scores", card, StringComparison.Ordinal);
        CliRun.Refused(["export", files.Mixed, "--out", files.At("nothing"), "--license", "a: b\nc"], "--license", "expected an identifier");
        Assert.False(Directory.Exists(files.At("nothing")));
    }

    private static string Section(string card, string title)
    {
        int start = card.IndexOf(title, StringComparison.Ordinal), end = card.IndexOf("\n## ", start + 3, StringComparison.Ordinal);
        return end < 0 ? card[start..] : card[start..end];
    }
}
