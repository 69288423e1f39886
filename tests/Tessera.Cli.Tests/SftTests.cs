using Tessera.Models.Templates;
using Tessera.TestSupport;

namespace Tessera.Cli.Tests;

public sealed class SftTests(TinyModel files)
{
    private static string Template => Path.Combine(SharedData.RepositoryRoot, "recipes", "chat", "chat_template.jinja");

    [Fact]
    public void The_preview_marks_what_the_assistant_writes_and_nothing_else()
    {
        string rows = files.Write("preview.jsonl", """
            {"messages":[{"role":"system","content":"detailed thinking off"},{"role":"user","content":"4+5"},{"role":"assistant","content":"9"}]}

            {"messages":[{"role":"user","content":"1+1"},{"role":"assistant","content":"<think>1+1=2</think>2"}],"note":"kept out"}
            """);
        string output = CliRun.Good("sft", files.Plain, "--data", rows, "--template", Template, "--preview", "9", "--out", files.At("unused")).Output;

        Assert.Contains("<|system|>detailed thinking off<|user|>4+5<|assistant|>«9</s>»", output);
        Assert.Contains("<|system|><|user|>1+1<|assistant|>«<think>1+1=2</think>2</s>»", output);
        Assert.Contains("preview.jsonl: line 3", output);
        Assert.False(Directory.Exists(files.At("unused")));
    }

    [Fact]
    public void A_fine_tuned_model_carries_its_template_and_learns_its_rows()
    {
        string rows = files.Write("rows.jsonl", string.Concat(Enumerable.Range(1, 8).Select(i =>
            $$"""{"messages":[{"role":"user","content":"{{i}}"},{"role":"assistant","content":"{{i}}"}]}""" + "\n")));
        string output = files.At("sft");
        string[] arguments =
        [
            "sft", files.Plain, "--data", rows, "--template", Template, "--batch-tokens", "512", "--max-length", "96", "--lr", "0.02",
            "--warmup", "2", "--out", output, "--json",
        ];
        double first = CliRun.Good([.. arguments, "--steps", "2"]).Json().GetProperty("cross_entropy").GetDouble();
        Directory.Delete(output, recursive: true);
        double last = CliRun.Good([.. arguments, "--steps", "60"]).Json().GetProperty("cross_entropy").GetDouble();

        Assert.True(last < first / 4, $"the loss went from {first} to {last}");
        Assert.Equal(File.ReadAllText(Template), File.ReadAllText(Path.Combine(output, ChatFormat.TemplateName)));

        // The template that was trained with stays with the model, also in place of an older one.
        string other = files.Write("other.jinja", "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}");
        string again = files.At("sft-again");
        CliRun.Good("sft", output, "--data", rows, "--template", other, "--steps", "1", "--warmup", "0", "--batch-tokens", "512", "--max-length", "96", "--out", again);
        Assert.Equal(File.ReadAllText(other), File.ReadAllText(Path.Combine(again, ChatFormat.TemplateName)));
        CliRun.Refused(["sft", files.Plain, "--data", rows, "--template", Template, "--steps", "30", "--max-length", "96", "--batch-tokens", "512", "--warmup", "2", "--out", output], "other settings");
    }

    [Fact]
    public void Missing_data_templates_and_bad_rows_are_refused()
    {
        CliRun.Refused(["sft", files.Plain, "--out", files.At("a"), "--template", Template], "--data FILE", "--tasks");
        CliRun.Refused(["sft", files.Plain, "--out", files.At("a"), "--tasks", "add"], "chat template", "sft needs");
        CliRun.Refused(["sft", files.Plain, "--out", files.At("a"), "--tasks", "add", "--template", files.At("none.jinja")], "none.jinja");
        string bad = files.Write("bad.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n");
        CliRun.Refused(["sft", files.Plain, "--out", files.At("a"), "--data", bad, "--template", Template], "bad.jsonl: line 1", "nothing to learn");
        string broken = files.Write("broken.jinja", "{% if %}");
        CliRun.Refused(["sft", files.Plain, "--out", files.At("a"), "--tasks", "add", "--template", broken], "broken.jinja");
    }
}
