using System.CommandLine;
using Tessera.Cli.Data;
using Tessera.Cli.Data.Blends;
using Tessera.Cli.Output;
using Tessera.Runs;
using Tessera.Training.Data.Blends;

namespace Tessera.Cli.Commands;

/// <summary><c>data blend</c>: what a blend deals, by dealing it.</summary>
internal static class DataBlendCommand
{
    public static Command Create()
    {
        var blend = new Argument<string>("blend") { Description = "A blend file, or a folder of token shards." };
        var model = new Option<string>("--model") { Description = "Model that is to be trained: its tokenizer and its begin token.", Required = true };
        var tokens = new Option<string>("--tokens") { Description = "Tokens to deal, such as 10M.", DefaultValueFactory = _ => "1M" };
        var maxLength = new Option<int>("--max-length") { Description = "Longest document in tokens.", DefaultValueFactory = _ => 512 };
        var show = new Option<int>("--show") { Description = "Also show so many of the first documents as text.", DefaultValueFactory = _ => 0 };
        var seed = SharedOptions.Seed();
        var json = SharedOptions.Json();
        var command = new Command("blend", "Deal a blend as training would, and tell what of each source comes in each phase.")
        {
            blend, model, tokens, maxLength, show, seed, json,
        };
        command.SetAction(result =>
        {
            long budget = HumanUnits.ParseCount(result.GetValue(tokens)!, tokens.Name);
            var plan = BlendPlan.Of(result.GetValue(blend)!);
            var source = ModelSource.Open(result.GetValue(model)!);
            var tokenizer = source.RequireTokenizer("a blend");
            using var open = new OpenBlend(plan, source.Configuration, tokenizer, OptionChecks.AtLeast(result, maxLength, 2));
            var dealt = open.Training(result.GetValue(seed));
            int shown = OptionChecks.AtLeast(result, show, 0);
            var phases = new List<object>();
            long total = 0;
            int phase = 0;
            IReadOnlyList<BlendUse> before = dealt.Uses;
            for (long i = 0; total < budget; i++)
            {
                var last = dealt.Uses;
                var document = dealt.Get(i);
                if (dealt.Phase != phase)
                {
                    Tell(phase, Since(before, last), phases, result.GetValue(json));
                    (phase, before) = (dealt.Phase, last);
                }

                total += document.Ids.Length;
                if (i < shown && !result.GetValue(json))
                {
                    Console.WriteLine($"document {i} ({document.Ids.Length} tokens): {DocumentText.Of(tokenizer, document.Ids)}");
                }
            }

            Tell(phase, Since(before, dealt.Uses), phases, result.GetValue(json));
            if (result.GetValue(json))
            {
                JsonOutput.Print(new { seed = result.GetValue(seed), tokens = total, sources = dealt.Uses.Select(BlendTable.ToJson), phases });
            }
            else if (plan.Phases.Count > 1)
            {
                Console.WriteLine("in all");
                BlendTable.Print(dealt.Uses);
            }
        });
        return command;
    }

    private static void Tell(int phase, List<BlendUse> uses, List<object> phases, bool asJson)
    {
        phases.Add(new { phase = phase + 1, sources = uses.Select(BlendTable.ToJson).ToList() });
        if (!asJson)
        {
            Console.WriteLine($"phase {phase + 1}");
            BlendTable.Print(uses);
        }
    }

    private static List<BlendUse> Since(IReadOnlyList<BlendUse> before, IReadOnlyList<BlendUse> after) =>
        [.. after.Select((use, i) => new BlendUse(
            use.Name, use.Documents - before[i].Documents, use.Tokens - before[i].Tokens, use.Epochs - before[i].Epochs))];
}
