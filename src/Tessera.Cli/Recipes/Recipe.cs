namespace Tessera.Cli.Recipes;

/// <summary>A recipe as written: nothing is substituted and no verb is looked up yet.</summary>
/// <param name="File">Its path.</param>
/// <param name="Name">Name, also of the default output folder.</param>
/// <param name="Description">One sentence, or null.</param>
/// <param name="Variables">Values by name.</param>
/// <param name="Stages">Stages in the order in which they run.</param>
/// <param name="Report">What the report shows.</param>
internal sealed record Recipe(
    string File, string Name, string? Description, IReadOnlyDictionary<string, YamlScalar> Variables,
    IReadOnlyList<RecipeStage> Stages, RecipeReportPlan Report);

/// <summary>One call of a verb.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Name">Unique name.</param>
/// <param name="Verb">The verb, with its place.</param>
/// <param name="Arguments">Positional arguments.</param>
/// <param name="Options">Values by long option name without dashes.</param>
internal sealed record RecipeStage(
    Place Place, string Name, YamlScalar Verb, IReadOnlyList<YamlScalar> Arguments, IReadOnlyDictionary<string, RecipeOption> Options);

/// <summary>An option of a stage.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Values">Its values; several repeat the option.</param>
internal sealed record RecipeOption(Place Place, IReadOnlyList<YamlScalar> Values);

/// <summary>What the report shows besides the stages.</summary>
/// <param name="Title">Title of the page, or null for the recipe's name.</param>
/// <param name="Rows">Rows of the table of evaluations.</param>
/// <param name="Curves">Stages whose metrics are drawn.</param>
internal sealed record RecipeReportPlan(YamlScalar? Title, IReadOnlyList<RecipeReportRow> Rows, IReadOnlyList<YamlScalar> Curves);

/// <summary>A row of the report's table.</summary>
/// <param name="Place">Where it stands.</param>
/// <param name="Label">What the row is called.</param>
/// <param name="Stage">The stage that evaluated.</param>
/// <param name="Mode"><c>plain</c>, <c>on</c> or <c>off</c>.</param>
/// <param name="Model">Folder or its name, where the stage evaluates several models.</param>
internal sealed record RecipeReportRow(Place Place, YamlScalar Label, YamlScalar Stage, YamlScalar Mode, YamlScalar? Model);
