using System.Text;
using Tessera.Cli.Recipes;

namespace Tessera.Cli.Tests.Recipes;

public sealed class RecipeReaderTests : IDisposable
{
    private const string Good = """
        name: good
        description: One sentence.
        variables:
          seed: 1
        stages:
          - name: words
            run: tokenizer train
            options: {problems: 60, special: [<s>, </s>], split-digits: true}
          - name: fresh
            run: init
            arguments: config.json
            options:
              tokenizer: ${stages.words}
              seed: ${seed}
        report:
          title: Title
          curves: [fresh]

        """;

    private static readonly byte[] Signs = [.. "{}[]:,-?&*!|>'\"%@`#\n\t \0$~x"u8];

    private readonly RecipeFolder _folder = new();

    public RecipeReaderTests() => _folder.Write("config.json", "{}");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_recipe_is_read_as_it_is_written()
    {
        _folder.Write("recipe.yaml", Good);
        var recipe = RecipeReader.Read(_folder.File);

        Assert.Equal(("good", "One sentence."), (recipe.Name, recipe.Description));
        Assert.Equal("1", recipe.Variables["seed"].Text);
        Assert.Equal(["words", "fresh"], recipe.Stages.Select(stage => stage.Name));
        Assert.Equal(["<s>", "</s>"], recipe.Stages[0].Options["special"].Values.Select(value => value.Text));
        Assert.Equal("${stages.words}", Assert.Single(recipe.Stages[1].Options["tokenizer"].Values).Text);
        Assert.Equal(["fresh"], recipe.Report.Curves.Select(curve => curve.Text));
        Assert.Equal($"{_folder.File}, line 14", recipe.Stages[1].Options["seed"].Place.Text);
    }

    // One edit of the good recipe, the line it is refused at, and what the sentence must hold.
    [Theory]
    [InlineData("description:", "descripton:", 2, "no key 'descripton'")]
    [InlineData("name: good", "name: Good", 1, "'Good'")]
    [InlineData("- name: fresh", "- name: words", 9, "'words'")]
    [InlineData("- name: fresh", "- name: ../x", 9, "'../x'")]
    [InlineData("- name: fresh", "- nam: fresh", 9, "'nam'")]
    [InlineData("    run: init\n", "", 9, "'run'")]
    [InlineData("run: init", "run: inti", 10, "'inti'")]
    [InlineData("run: init", "run: measure", 10, "--out")]
    [InlineData("run: init", "run: run", 10, "--out")]
    [InlineData("run: init", "run: logits", 10, "--out")]
    [InlineData("run: init", "run: tokenizer", 10, "--out")]
    [InlineData("seed: ${seed}", "sed: 1", 14, "'sed'")]
    [InlineData("seed: ${seed}", "out: here", 14, "--out")]
    [InlineData("seed: ${seed}", "help: true", 14, "'help'")]
    [InlineData("seed: ${seed}", "seed: ${sead}", 14, "'sead'")]
    [InlineData("seed: ${seed}", "seed: ${seed", 14, "not closed")]
    [InlineData("seed: ${seed}", "seed: {a: 1}", 14, "found a mapping")]
    [InlineData("seed: ${seed}", "seed: [[1]]", 14, "found a list")]
    [InlineData("seed: ${seed}", "seed:", 14, "found nothing")]
    [InlineData("seed: ${seed}", "seed: true", 14, "takes a value")]
    [InlineData("seed: ${seed}", "seed: 1\n      seed: 2", 15, "stands twice")]
    [InlineData("seed: ${seed}", "seed: \"\"", 14, "empty")]
    [InlineData("seed: ${seed}", "seed: one", 9, "--seed")]
    [InlineData("seed: ${seed}", "seed: [1, 2]", 9, "--seed")]
    [InlineData("seed: ${seed}", "dtype: f16", 9, "f16")]
    [InlineData("tokenizer: ${stages.words}", "tokenizer: ${stages.fresh}", 13, "not done before")]
    [InlineData("tokenizer: ${stages.words}", "tokenizer: ${stages.wrods}", 13, "no stage 'wrods'")]
    [InlineData("tokenizer: ${stages.words}", "tokenizer: models/nowhere", 13, "'models/nowhere'")]
    [InlineData("split-digits: true", "split-digits: 1", 8, "flag")]
    [InlineData("arguments: config.json", "arguments: nothing.json", 11, "'nothing.json'")]
    [InlineData("arguments: config.json", "arguments: -- ", 11, "'--'")]
    [InlineData("    arguments: config.json\n", "", 9, "argument")]
    [InlineData("seed: 1", "seed: ${other}", 4, "variables cannot name others")]
    [InlineData("seed: 1", "seed: &a 1", 4, "anchors")]
    [InlineData("seed: 1", "seed: *a", 4, "aliases")]
    [InlineData("seed: 1", "seed: !!int 1", 4, "tags")]
    [InlineData("seed: 1", "seed: [1, 2]", 4, "found a list")]
    [InlineData("seed: 1", "s.d: 1", 4, "'s.d'")]
    [InlineData("seed: 1", "? [a]\n  : 1", 4, "a key")]
    [InlineData("seed: 1", "seed: {{{{{{{{{1}}}}}}}}}", 4, "deeper")]
    [InlineData("curves: [fresh]", "curves: [frsh]", 17, "'frsh'")]
    [InlineData("curves: [fresh]", "table: [{label: A, stage: fresh, mode: on}]", 17, "eval")]
    [InlineData("curves: [fresh]", "table: [{label: A, stage: fresh, mode: maybe}]", 17, "'maybe'")]
    [InlineData("curves: [fresh]", "curves: [fresh]\n---\nname: b", 18, "second document")]
    [InlineData("curves: [fresh]", "curves: [fresh", 18, "not YAML")]
    [InlineData("curves: [fresh]", "curves: [fresh # what", 18, "not YAML")]
    public void What_is_wrong_is_refused_with_file_and_line(string from, string to, int line, string part)
    {
        Assert.Contains(from, Good);
        string message = _folder.Refusal(Good.Replace(from, to, StringComparison.Ordinal));

        Assert.StartsWith($"{_folder.File}, line {line}: ", message);
        Assert.Contains(part, message);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("- a", "mapping")]
    [InlineData("name: a", "'stages'")]
    [InlineData("name: a\nstages: []", "1 to 256")]
    public void What_is_no_recipe_at_all_is_refused(string text, string part) => Assert.Contains(part, _folder.Refusal(text));

    [Fact]
    public void Large_files_long_values_and_other_encodings_are_refused()
    {
        Assert.Contains("1048576 bytes", _folder.Refusal(Good + "#" + new string('x', 1 << 20)));
        Assert.Contains("4097 characters", _folder.Refusal(Good.Replace("seed: 1", "seed: " + new string('1', 4097))));
        File.WriteAllBytes(_folder.File, [.. "name: "u8, 0xff]);
        Assert.Contains("byte 6", Assert.Throws<InvalidDataException>(() => RecipeReader.Read(_folder.File)).Message);
        Assert.Contains("no such file", Assert.Throws<InvalidDataException>(() => RecipeReader.Read(_folder.At("none.yaml"))).Message);
    }

    [Fact]
    public void A_recipe_that_grows_when_its_variables_are_replaced_is_refused()
    {
        string repeated = string.Concat(Enumerable.Repeat("${seed}", 580));
        string values = string.Join(", ", Enumerable.Repeat($"\"{repeated}\"", 20));
        string text = Good.Replace("seed: 1", "seed: " + new string('1', 4000)).Replace("[<s>, </s>]", $"[{values}]");

        Assert.Contains("grows beyond", _folder.Refusal(text));
    }

    // Bytes are replaced, removed and doubled: whatever comes out is read, or refused with one sentence.
    [Fact]
    public void Damaged_recipes_are_read_or_refused_and_never_break_the_reader()
    {
        var random = new Random(5);
        int refused = 0;
        for (int round = 0; round < 3000; round++)
        {
            var bytes = Encoding.UTF8.GetBytes(Good).ToList();
            for (int edit = random.Next(1, 4); edit > 0; edit--)
            {
                int at = random.Next(bytes.Count);
                switch (random.Next(3))
                {
                    case 0: bytes[at] = Signs[random.Next(Signs.Length)]; break;
                    case 1: bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at)); break;
                    default: bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 40), bytes.Count - at))); break;
                }
            }

            File.WriteAllBytes(_folder.File, [.. bytes]);
            try
            {
                RecipeReader.Read(_folder.File);
            }
            catch (InvalidDataException error)
            {
                refused++;
                Assert.StartsWith(_folder.File, error.Message);
            }
        }

        Assert.InRange(refused, 1000, 2999);
    }
}
